"""What is done to scores before they become rewards."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.learning.scores import Pay, RunningScale, adjusted_scores

ENDED = torch.tensor([True, False])
LENGTHS = torch.tensor([2, 4])


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
    assert torch.equal(adjusted_scores(scores, ENDED, LENGTHS, Pay()), scores)


def test_scores_are_centred_scaled_clipped_and_then_lowered_for_answers_that_were_cut():
    pay = Pay(centre=1.0, divisor=2.0, clip=3.0, missing_eos_penalty=1.0)
    adjusted = adjusted_scores(torch.tensor([9.0, -9.0]), ENDED, LENGTHS, pay)
    assert adjusted.tolist() == [3.0, -4.0]


def test_an_answer_that_was_cut_can_have_its_score_replaced():
    pay = Pay(missing_eos_penalty=1.0, replace_cut=True)
    assert adjusted_scores(torch.tensor([9.0, 9.0]), ENDED, LENGTHS, pay).tolist() == [9.0, -1.0]


def test_every_token_can_cost():
    pay = Pay(length_penalty=0.5)
    assert adjusted_scores(torch.zeros(2), ENDED, LENGTHS, pay).tolist() == [-1.0, -2.0]
