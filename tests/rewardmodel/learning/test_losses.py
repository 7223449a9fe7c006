import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from rewardmodel.learning.losses import centring_penalty, preference_loss

SCORES = st.lists(st.floats(-20, 20), min_size=3, max_size=3).map(torch.tensor)
SHARE = st.floats(0.5, 1)


def test_a_model_that_knows_nothing_is_surprised_by_one_bit():
    nothing = torch.zeros(1)
    assert preference_loss(nothing, nothing, torch.ones(1)).item() == pytest.approx(math.log(2))


@given(SCORES, SCORES, SHARE, st.floats(-5, 5))
def test_a_shift_of_all_scores_changes_nothing(chosen, rejected, share, shift):
    target = torch.full((3,), share)
    before = preference_loss(chosen, rejected, target)
    torch.testing.assert_close(
        preference_loss(chosen + shift, rejected + shift, target), before, atol=1e-4, rtol=1e-4
    )


@given(SCORES, SCORES, SHARE, st.floats(0, 2), st.floats(0, 0.4))
def test_naming_the_two_the_other_way_round_changes_nothing(
    chosen, rejected, share, margin, smoothing
):
    target = torch.full((3,), share)
    torch.testing.assert_close(
        preference_loss(chosen, rejected, target, margin, smoothing),
        preference_loss(rejected, chosen, 1 - target, margin, smoothing),
    )


def test_a_hard_label_costs_the_log_of_its_probability():
    loss = preference_loss(torch.tensor([2.0]), torch.tensor([0.5]), torch.ones(1))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.5)))


def test_a_margin_has_to_be_overcome():
    loss = preference_loss(torch.tensor([2.0]), torch.tensor([0.5]), torch.ones(1), 0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.0)))


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_the_best_lead_for_a_vote_share_is_its_log_odds(share):
    target = torch.tensor([share], dtype=torch.float64)
    lead = torch.tensor([math.log(share / (1 - share))], dtype=torch.float64, requires_grad=True)
    loss = preference_loss(lead, torch.zeros(1, dtype=torch.float64), target)
    loss.backward()
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert loss.item() == pytest.approx(entropy)
    assert lead.grad.item() == pytest.approx(0, abs=1e-12)


def test_smoothing_a_sure_label_is_a_vote_share():
    chosen, rejected = torch.tensor([1.0]), torch.tensor([-1.0])
    torch.testing.assert_close(
        preference_loss(chosen, rejected, torch.ones(1), label_smoothing=0.1),
        preference_loss(chosen, rejected, torch.tensor([0.9])),
    )


def test_the_loss_stays_finite_at_scores_no_model_should_give():
    far = torch.tensor([1e4], requires_grad=True)
    loss = preference_loss(-far, far, torch.ones(1))
    loss.backward()
    assert loss.isfinite().all()
    assert far.grad.isfinite().all()


def test_centring_costs_nothing_only_when_the_pair_stands_around_zero():
    chosen, rejected = torch.tensor([1.5, 1.5]), torch.tensor([-1.5, 0.5])
    assert centring_penalty(chosen, rejected).tolist() == [0.0, 4.0]


def test_gradients_are_those_of_the_formula():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 4, dtype=torch.float64, generator=generator).requires_grad_()
    target = torch.tensor([0.6, 0.7, 0.9, 1.0], dtype=torch.float64)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        return preference_loss(scores[0], scores[1], target, 0.3, 0.05) + centring_penalty(
            scores[0], scores[1]
        )

    assert gradcheck(loss, scores)
