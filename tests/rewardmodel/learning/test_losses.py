import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from rewardmodel.learning.losses import (
    TIE_LOSSES,
    centring_penalty,
    preference_loss,
    tie_log_chances,
    tie_loss,
    tie_parameter,
    tie_start,
)

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
        preference_loss(rejected, chosen, 1 - target, -margin, smoothing),
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


def test_the_best_lead_for_a_vote_share_with_a_strength_is_its_log_odds_and_the_margin():
    lead = torch.tensor([math.log(3) + 0.8], dtype=torch.float64, requires_grad=True)
    preference_loss(lead, torch.zeros(1), torch.tensor([0.75]), margin=0.8).backward()
    assert lead.grad.item() == pytest.approx(0, abs=1e-7)


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


LEADS = st.lists(st.floats(-30, 30), min_size=1, max_size=4).map(
    lambda leads: torch.tensor(leads, dtype=torch.float64)
)
TIES = st.floats(-8, 2).map(lambda tie: torch.tensor(tie, dtype=torch.float64))
OUTCOMES = torch.tensor([[0.6, 0.3, 0.1], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)


def chances(lead: float, loss: str, tie: float) -> list[float]:
    """Of first, neither and second, as the papers write them, with worths e^lead and 1."""
    worth, parameter = math.exp(lead), tie_parameter(tie)
    if loss == "davidson":
        total = worth + 1 + parameter * math.sqrt(worth)
        return [worth / total, parameter * math.sqrt(worth) / total, 1 / total]
    theta = math.exp(parameter)
    first, second = worth / (worth + theta), 1 / (1 + theta * worth)
    neither = (theta**2 - 1) * worth / ((worth + theta) * (1 + theta * worth))
    return [first, neither, second]


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(LEADS, TIES)
def test_winning_losing_and_a_tie_are_all_that_can_happen(loss, lead, tie):
    total = tie_log_chances(lead, loss, tie).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(lead))


@pytest.mark.parametrize("loss", TIE_LOSSES)
@pytest.mark.parametrize(("lead", "tie"), [(0.0, 0.0), (1.3, -1.0), (-2.0, 0.4)])
def test_chances_are_those_of_the_papers(loss, lead, tie):
    lead_, tie_ = (torch.tensor(value, dtype=torch.float64) for value in ([lead], tie))
    found = tie_log_chances(lead_, loss, tie_).exp()[0].tolist()
    assert found == pytest.approx(chances(lead, loss, tie))


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(LEADS)
def test_where_ties_never_happen_it_is_bradley_terry(loss, lead):
    no_ties = torch.tensor(-40.0, dtype=torch.float64)
    zero = torch.zeros_like(lead)
    hard = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64).expand(len(lead), 3)
    torch.testing.assert_close(
        tie_loss(lead, zero, hard, loss, no_ties),
        preference_loss(lead, zero, torch.ones_like(lead)),
    )


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(st.floats(-20, 20), TIES)
def test_a_shift_of_all_scores_changes_no_chance_of_a_tie(loss, shift, tie):
    chosen = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    rejected = torch.tensor([0.2, 1.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(
        tie_loss(chosen + shift, rejected + shift, OUTCOMES, loss, tie),
        tie_loss(chosen, rejected, OUTCOMES, loss, tie),
    )


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(LEADS, TIES, st.floats(0, 2), st.floats(0, 0.4))
def test_naming_the_two_the_other_way_round_changes_no_surprise(loss, lead, tie, margin, smoothing):
    zero = torch.zeros_like(lead)
    outcomes = OUTCOMES[:1].expand(len(lead), 3)
    torch.testing.assert_close(
        tie_loss(lead, zero, outcomes, loss, tie, margin, smoothing),
        tie_loss(zero, lead, outcomes.flip(1), loss, tie, -margin, smoothing),
    )


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(st.floats(0.01, 0.9))
def test_learning_begins_where_equals_tie_as_often_as_people_do(loss, share):
    tie = torch.tensor(tie_start(share, loss), dtype=torch.float64)
    found = tie_log_chances(torch.zeros(1, dtype=torch.float64), loss, tie)[0, 1].exp()
    assert found.item() == pytest.approx(share)


@pytest.mark.parametrize("loss", TIE_LOSSES)
@given(LEADS, TIES)
def test_a_tie_is_likeliest_between_equals(loss, lead, tie):
    equals = tie_log_chances(torch.zeros_like(lead), loss, tie)[:, 1]
    assert (tie_log_chances(lead, loss, tie)[:, 1] <= equals + 1e-9).all()


@given(LEADS, st.floats(-3, 1))
def test_the_gradient_of_davidson_is_what_happened_less_what_was_expected(lead, tie_value):
    """d loss / d lead = (expected - happened wins)/2 - (expected - happened losses)/2."""
    lead = lead.clone().requires_grad_()
    tie = torch.tensor(tie_value, dtype=torch.float64, requires_grad=True)
    happened = OUTCOMES[:1].expand(len(lead), 3)
    tie_loss(lead, torch.zeros(1), happened, "davidson", tie).sum().backward()
    expected = tie_log_chances(lead.detach(), "davidson", tie.detach()).exp()
    more = expected - happened
    torch.testing.assert_close(lead.grad, (more[:, 0] - more[:, 2]) / 2)
    torch.testing.assert_close(tie.grad, more[:, 1].sum())


@given(LEADS, st.floats(-3, 1))
def test_the_gradient_of_rao_kupper_is_that_of_its_formula(lead, tie_value):
    lead = lead.clone().requires_grad_()
    tie = torch.tensor(tie_value, dtype=torch.float64, requires_grad=True)
    first, neither, second = OUTCOMES[0].tolist()
    happened = OUTCOMES[:1].expand(len(lead), 3)
    tie_loss(lead, torch.zeros(1), happened, "rao-kupper", tie).sum().backward()
    eta, at = math.exp(tie_value), lead.detach()
    lost_by, won_by = torch.sigmoid(eta - at), torch.sigmoid(eta + at)
    torch.testing.assert_close(
        lead.grad, -(first + neither) * lost_by + (second + neither) * won_by
    )
    over_eta = (
        (first + neither) * lost_by
        + (second + neither) * won_by
        - neither * 2 / -math.expm1(-2 * eta)
    )
    torch.testing.assert_close(tie.grad, (over_eta * eta).sum())


@pytest.mark.parametrize("loss", TIE_LOSSES)
def test_surprise_at_ties_stays_finite_at_scores_no_model_should_give(loss):
    far = torch.tensor([1e4], requires_grad=True)
    tie = torch.tensor(-1.0, requires_grad=True)
    surprise = tie_loss(-far, far, OUTCOMES[:1].float(), loss, tie)
    surprise.backward()
    assert surprise.isfinite().all()
    assert far.grad.isfinite().all()
    assert tie.grad.isfinite()


def test_smoothing_turns_preferences_round_and_leaves_ties_alone():
    lead, tie = torch.tensor([0.7]), torch.tensor(-0.5)
    torch.testing.assert_close(
        tie_loss(lead, torch.zeros(1), torch.tensor([[0.8, 0.2, 0.0]]), "davidson", tie, 0.0, 0.25),
        tie_loss(lead, torch.zeros(1), torch.tensor([[0.6, 0.2, 0.2]]), "davidson", tie),
    )
