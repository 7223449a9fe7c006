"""Advantages, held to what must be true of them rather than to numbers copied from a run."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlhf.learning.advantages import (
    generalized_advantages,
    last_real,
    leave_one_out,
    masked_mean,
    shaped_rewards,
    whiten,
)

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()


def some(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def naive_advantages(
    rewards: list[float], values: list[float], gamma: float, lam: float
) -> list[float]:
    """Equation 16 of Schulman et al. 2016 as it is written: a sum of discounted surprises."""
    count = len(rewards)
    following = [*values[1:], 0.0]
    surprises = [rewards[t] + gamma * following[t] - values[t] for t in range(count)]
    return [
        sum((gamma * lam) ** (k - t) * surprises[k] for k in range(t, count)) for t in range(count)
    ]


def test_whitened_values_have_mean_zero_and_variance_one_where_unmasked():
    whitened = whiten(5 + 3 * some(0, 3, 4), MASK)
    assert masked_mean(whitened, MASK).item() == pytest.approx(0, abs=1e-6)
    assert masked_mean(whitened**2, MASK).item() == pytest.approx(1, abs=1e-5)
    assert whitened[~MASK].abs().max() == 0


def test_whitening_without_shift_keeps_the_mean():
    values = 5 + 3 * some(0, 3, 4)
    kept = whiten(values, MASK, shift_mean=False)
    assert masked_mean(kept, MASK).item() == pytest.approx(masked_mean(values, MASK).item())


def test_whitening_equal_values_gives_zeros_and_not_infinity():
    assert whiten(torch.full((3, 4), 2.0), MASK).abs().max() == 0


def test_the_score_falls_on_the_last_real_token_and_nothing_on_padding():
    rewards = shaped_rewards(torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3, 4), MASK, 0.5)
    assert rewards.tolist() == [[0, 0, 0, 1], [0, 2, 0, 0], [3, 0, 0, 0]]


def test_every_token_pays_for_its_divergence():
    kl = some(1, 3, 4)
    rewards = shaped_rewards(torch.zeros(3), kl, MASK, 0.5)
    assert torch.equal(rewards, -0.5 * kl * MASK)


def test_the_last_real_token_is_found_whichever_side_the_padding_is_on():
    assert last_real(MASK).tolist() == [3, 1, 0]
    assert last_real(MASK.flip(1)).tolist() == [3, 3, 3]


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_advantages_are_the_sum_of_discounted_surprises(seed, gamma, lam):
    rewards, values = some(seed, 3, 4) * MASK, some(seed + 1, 3, 4)
    advantages, returns = generalized_advantages(rewards, values, MASK, gamma, lam)
    for row, length in enumerate(MASK.sum(1).tolist()):
        expected = naive_advantages(
            rewards[row, :length].tolist(), values[row, :length].tolist(), gamma, lam
        )
        assert advantages[row, :length].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(returns, (advantages + values) * MASK)


def test_padding_changes_nothing():
    rewards, values = some(0, 2, 3), some(1, 2, 3)
    all_real = torch.ones(2, 3).bool()
    plain, _ = generalized_advantages(rewards, values, all_real, 0.9, 0.8)
    for left, right in [(0, 2), (2, 0)]:
        padded = [torch.nn.functional.pad(x, (left, right), value=9.0) for x in (rewards, values)]
        mask = torch.nn.functional.pad(all_real, (left, right))
        longer, _ = generalized_advantages(padded[0] * mask, padded[1], mask, 0.9, 0.8)
        assert torch.allclose(longer[:, left : left + 3], plain)
        assert longer[~mask].abs().sum() == 0


def test_a_perfect_critic_leaves_nothing_to_be_surprised_about():
    rewards, values = torch.tensor([[0.0, 0.0, 0.0, 1.0]]), torch.ones(1, 4)
    advantages, returns = generalized_advantages(
        rewards, values, torch.ones(1, 4).bool(), gamma=1.0, lam=0.95
    )
    assert advantages.abs().max() == 0
    assert torch.equal(returns, values)


def test_trusting_rewards_only_gives_rewards_to_come_less_the_value():
    rewards, values, mask = some(0, 2, 4), some(1, 2, 4), torch.ones(2, 4).bool()
    advantages, returns = generalized_advantages(rewards, values, mask, gamma=1.0, lam=1.0)
    to_come = rewards.flip(1).cumsum(1).flip(1)
    assert torch.allclose(advantages, to_come - values, atol=1e-6)
    assert torch.allclose(returns, to_come, atol=1e-6)


def test_trusting_the_critic_only_looks_one_token_ahead():
    rewards, values, mask = some(0, 1, 3), some(1, 1, 3), torch.ones(1, 3).bool()
    advantages, _ = generalized_advantages(rewards, values, mask, gamma=0.5, lam=0.0)
    following = torch.cat([values[:, 1:], torch.zeros(1, 1)], dim=1)
    assert torch.allclose(advantages, rewards + 0.5 * following - values)


def test_an_answer_is_compared_with_the_others_to_its_prompt_and_with_no_other():
    ahead = leave_one_out(torch.tensor([1.0, 2.0, 6.0, 100.0, 100.0, 103.0]), 3)
    assert ahead.tolist() == [-3.0, -1.5, 4.5, -1.5, -1.5, 3.0]


@given(st.lists(st.floats(-50, 50, width=32), min_size=4, max_size=4))
def test_what_answers_are_ahead_of_each_other_adds_up_to_nothing(scores):
    ahead = leave_one_out(torch.tensor(scores), 4)
    assert ahead.sum().item() == pytest.approx(0, abs=1e-3)
    assert torch.allclose(leave_one_out(torch.tensor(scores) + 7, 4), ahead, atol=1e-3)


def test_the_score_can_be_paid_one_place_behind_the_answer():
    mask, paid = torch.tensor([[True, True, False]]), torch.tensor([[True, True, True]])
    rewards = shaped_rewards(torch.tensor([5.0]), torch.zeros(1, 3), mask, 0.1, paid)
    assert rewards.tolist() == [[0.0, 0.0, 5.0]]
