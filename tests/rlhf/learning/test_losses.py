"""The clipped losses and the estimators of divergence, by their properties."""

import math

import pytest
import torch

from rlhf.learning.losses import (
    KL_ESTIMATORS,
    clip_fraction,
    explained_variance,
    importance,
    kl_k1,
    kl_k2,
    kl_k3,
    policy_loss,
    preference_loss,
    value_loss,
)

ONE = torch.ones(1, 1).bool()


def slope(logprob: float, advantage: float, clip: float = 0.2) -> float:
    """Derivative of the loss by the log-probability of one token sampled at log-probability 0."""
    logprobs = torch.tensor([[logprob]], requires_grad=True)
    policy_loss(logprobs, torch.zeros(1, 1), torch.tensor([[advantage]]), ONE, clip).backward()
    assert logprobs.grad is not None
    return logprobs.grad.item()


def test_before_any_step_the_slope_is_the_advantage():
    assert slope(0.0, advantage=3.0) == pytest.approx(-3.0)
    assert slope(0.0, advantage=-3.0) == pytest.approx(3.0)


def test_the_clip_is_symmetric():
    above, below = torch.tensor(1.3).log().item(), torch.tensor(0.7).log().item()
    assert slope(above, advantage=1.0) == 0  # likelier by more than 20 %: nothing more to gain
    assert slope(below, advantage=-1.0) == 0  # less likely by more than 20 %: likewise
    assert slope(above, advantage=-1.0) == pytest.approx(1.3)  # on the way back it is not held
    assert slope(below, advantage=1.0) == pytest.approx(-0.7)


def test_padding_carries_no_gradient():
    logprobs = torch.zeros(1, 2, requires_grad=True)
    mask = torch.tensor([[True, False]])
    policy_loss(logprobs, torch.zeros(1, 2), torch.ones(1, 2), mask, 0.2).backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[-1.0, 0.0]]


def test_ratios_that_would_overflow_stay_finite():
    logprobs = torch.tensor([[500.0]], requires_grad=True)
    loss = policy_loss(logprobs, torch.zeros(1, 1), torch.tensor([[-1.0]]), ONE, 0.2)
    loss.backward()
    assert loss.isfinite()


def test_the_critic_pays_half_the_squared_error_near_where_it_was():
    loss = value_loss(torch.tensor([[1.1]]), torch.tensor([[1.0]]), torch.tensor([[2.0]]), ONE, 0.2)
    assert loss.item() == pytest.approx(0.5 * 0.9**2)


def test_the_critic_gains_nothing_from_moving_further_than_the_clip():
    values = torch.tensor([[1.5]], requires_grad=True)
    loss = value_loss(values, torch.tensor([[1.0]]), torch.tensor([[2.0]]), ONE, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * 0.8**2)
    assert values.grad is not None
    assert values.grad.item() == 0


def test_the_clip_fraction_counts_real_tokens_only():
    logprobs = torch.tensor([[1.0, 0.0, 5.0]])
    mask = torch.tensor([[True, True, False]])
    assert clip_fraction(logprobs, torch.zeros(1, 3), mask, 0.2).item() == 0.5


def log_ratios(count: int = 400_000) -> tuple[torch.Tensor, float]:
    """Log p - log q of tokens drawn from p, for two fixed distributions, and their true KL."""
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.3, 0.3, 0.4])
    drawn = torch.multinomial(p, count, replacement=True, generator=torch.manual_seed(0))
    return (p / q).log()[drawn], (p * (p / q).log()).sum().item()


@pytest.mark.parametrize("estimator", [kl_k1, kl_k3])
def test_k1_and_k3_are_unbiased(estimator):
    ratios, truth = log_ratios()
    assert estimator(ratios).mean().item() == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("estimator", [kl_k2, kl_k3])
def test_k2_and_k3_are_never_negative(estimator):
    assert estimator(torch.linspace(-40, 40, 1001)).min() >= 0


def test_k3_varies_less_than_k1():
    ratios, _ = log_ratios()
    assert kl_k3(ratios).var() < kl_k1(ratios).var()


@pytest.mark.parametrize("name", KL_ESTIMATORS)
def test_equal_policies_have_no_divergence_under_any_estimator(name):
    assert KL_ESTIMATORS[name](torch.zeros(5)).abs().max() == 0


def test_explained_variance_is_one_for_a_perfect_critic_and_zero_for_a_constant_one():
    returns, mask = torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 3).bool()
    assert explained_variance(returns, returns, mask).item() == pytest.approx(1)
    assert explained_variance(torch.ones(1, 3), returns, mask).item() == pytest.approx(0)


def test_a_wider_clip_upwards_lets_good_tokens_go_further_and_bad_ones_not():
    old, now = torch.zeros(1, 2), torch.tensor([[1.25, 0.75]]).log()
    good, mask = torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool)
    assert policy_loss(now, old, good, mask, 0.2).item() == pytest.approx(-(1.2 + 0.75) / 2)
    assert policy_loss(now, old, good, mask, 0.2, clip_high=0.28).item() == pytest.approx(
        -(1.25 + 0.75) / 2
    )
    assert clip_fraction(now, old, mask, 0.2).item() == 1
    assert clip_fraction(now, old, mask, 0.2, 0.28).item() == 0.5


def test_dual_clip_bounds_what_one_bad_token_can_ask_and_changes_nothing_else():
    old, now = torch.zeros(1, 2), torch.tensor([[50.0, 50.0]]).log()
    advantages, mask = torch.tensor([[-1.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool)
    assert policy_loss(now, old, advantages, mask, 0.2).item() == pytest.approx((50 - 1.2) / 2)
    bounded = policy_loss(now, old, advantages, mask, 0.2, dual_clip=3.0)
    assert bounded.item() == pytest.approx((3 - 1.2) / 2)


def test_weights_of_importance_are_the_ratio_to_what_sampled_up_to_the_cap():
    frozen, engine = torch.tensor([[2.0, 0.5, 9.0]]).log(), torch.zeros(1, 3)
    mask = torch.tensor([[True, True, True]])
    assert importance(frozen, engine, mask, cap=2.5).tolist() == [
        [pytest.approx(2.0), pytest.approx(0.5), pytest.approx(2.5)]
    ]


def test_importance_makes_stale_samples_estimate_the_present_policy():
    """E over q of (p/q) x = E over p of x: exact for a distribution that can be summed."""
    p, q = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.4, 0.4, 0.2]])
    worth = torch.tensor([1.0, 5.0, -2.0])
    weights = importance(p.log(), q.log(), torch.ones(1, 3, dtype=torch.bool), cap=10.0)
    assert (q * weights * worth).sum().item() == pytest.approx((p * worth).sum().item())


def test_of_two_answers_the_better_one_becomes_likelier_and_equal_ones_teach_nothing():
    leads = torch.zeros(4, requires_grad=True)
    loss = preference_loss(leads, torch.tensor([1.0, 3.0, 2.0, 2.0]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2) / 2)
    assert leads.grad.tolist() == [pytest.approx(0.25), pytest.approx(-0.25), 0.0, 0.0]
