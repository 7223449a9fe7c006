"""What is done to scores before they become rewards."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.learning.scores import RunningScale, adjusted_scores

ENDED = torch.tensor([True, False])


@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1), min_size=1, max_size=5))
def test_the_running_spread_is_that_of_all_scores_at_once(batches):
    scale = RunningScale()
    for batch in batches:
        scale = scale.seeing(torch.tensor(batch))
    everything = torch.tensor([score for batch in batches for score in batch])
    spread = everything.double().std(correction=0).item()
    assert scale.deviation == pytest.approx(spread if scale.squares > 0 else 1.0, abs=1e-2)


def test_a_spread_that_is_not_known_yet_changes_nothing():
    assert RunningScale().deviation == 1


def test_scores_are_left_alone_unless_asked():
    scores = torch.tensor([7.0, -7.0])
    assert torch.equal(adjusted_scores(scores, ENDED, 1.0, 0.0, 0.0), scores)


def test_scores_are_scaled_then_clipped_then_lowered_for_answers_that_were_cut():
    adjusted = adjusted_scores(
        torch.tensor([9.0, -9.0]), ENDED, divisor=2.0, clip=3.0, missing_eos_penalty=1.0
    )
    assert adjusted.tolist() == [3.0, -4.0]
