"""From scores of whole answers to the advantage of every token. Masks are true on real tokens."""

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens of the whole batch, each token counting the same. Zero if none."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Values scaled to variance one over the real tokens, and shifted to mean zero if asked.

    The variance is the biased one, as in the reference implementation.

    Args:
        values: (B, T).
        mask: (B, T).
        shift_mean: False keeps the mean where it was, for rewards whose sign means something.

    Returns:
        Whitened values, (B, T), zero on padding.

    Source: Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO" (arXiv:2403.17031).
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    whitened = (values - mean) * torch.rsqrt(variance + 1e-8)
    return (whitened if shift_mean else whitened + mean) * mask


def last_real(mask: Tensor) -> Tensor:
    """Position of the last real token of every row, (B,), whichever side the padding is on."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(1)


def shaped_rewards(
    scores: Tensor, kl: Tensor, mask: Tensor, kl_coef: float, paid: Tensor | None = None
) -> Tensor:
    """Per-token rewards: a KL penalty on every token, the score on the last real one.

    Args:
        scores: reward model scores, (B,).
        kl: estimated divergence of the policy from the frozen reference at each sampled
            token, (B, T), in nats.
        mask: (B, T); every row has at least one real token.
        kl_coef: score given up per nat of divergence.
        paid: another mask whose last true place gets the score, (B, T); None for `mask`.

    Returns:
        Rewards, (B, T), zero on padding.

    Source: Ziegler et al. 2019 (arXiv:1909.08593), equation 2, spread over the tokens.
    """
    rewards = -kl_coef * kl * mask
    rows = torch.arange(len(scores), device=scores.device)
    rewards[rows, last_real(mask if paid is None else paid)] += scores
    return rewards


def leave_one_out(scores: Tensor, together: int) -> Tensor:
    """How much better each answer is than the mean of the others to the same prompt, (B,).

    Args:
        scores: (B,); answers to one prompt stand next to each other.
        together: answers to one prompt, at least 2.

    Source: Ahmadian et al. 2024 (arXiv:2402.14740), equation 8.
    """
    groups = scores.view(-1, together)
    others = (groups.sum(1, keepdim=True) - groups) / (together - 1)
    return (groups - others).flatten()


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """How much better each token turned out than the critic expected, and what it should expect.

    Args:
        rewards: (B, T).
        values: what the critic expected before each token, (B, T).
        mask: (B, T), real tokens adjacent to each other. After the last one nothing is expected.
        gamma: worth of a reward one token later, 1 for answers of limited length.
        lam: 1 trusts the rewards only (no bias), 0 the critic's next value only (no variance).

    Returns:
        (advantages, returns), each (B, T), zero on padding; returns are the critic's targets.

    Source: Schulman et al. 2016 (arXiv:1506.02438), equation 16.
    """
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])  # advantage of the next token, (B,)
    expected = torch.zeros_like(rewards[:, 0])  # value of the next state, (B,)
    for t in reversed(range(rewards.shape[1])):
        surprise = rewards[:, t] + gamma * expected - values[:, t]
        following = (surprise + gamma * lam * following) * mask[:, t]
        expected = values[:, t] * mask[:, t]
        advantages[:, t] = following
    return advantages, (advantages + values) * mask
