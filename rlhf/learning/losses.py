"""The clipped losses of PPO and its estimators of divergence. Masks are true on real tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

from rlhf.learning.advantages import masked_mean

LARGEST_LOG_RATIO = 20.0  # nats; exp of more would overflow a sum and means the run is lost anyway


def policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Loss whose descent makes good tokens likelier, with no gain from going further than `clip`.

    Args:
        logprobs: of the sampled tokens now, (B, T), in nats.
        old_logprobs: the same when they were sampled, (B, T).
        advantages: (B, T).
        mask: (B, T).
        clip: furthest useful change of a token's probability ratio, 0.2 for 0.8 to 1.2.

    Source: Schulman et al. 2017 (arXiv:1707.06347), equation 7.
    """
    ratio = probability_ratio(logprobs, old_logprobs)
    plain = -advantages * ratio
    held = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(plain, held), mask)


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Half the squared error of the critic, with no gain from moving further than `clip` at once.

    Args:
        values: the critic now, (B, T).
        old_values: the critic when the answers were sampled, (B, T).
        returns: its targets, (B, T).
        mask: (B, T).
        clip: furthest useful change of a value between two samplings, in units of score.

    Source: Ziegler et al. 2019, code; Huang et al. 2024 (arXiv:2403.17031).
    """
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (held - returns) ** 2), mask)


def probability_ratio(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """How many times likelier each token is now than when it was sampled, (B, T)."""
    difference = logprobs - old_logprobs
    return difference.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()


def clip_fraction(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Share of the real tokens whose ratio has left the clip range."""
    ratio = probability_ratio(logprobs, old_logprobs)
    return masked_mean(((ratio - 1).abs() > clip).float(), mask)


def kl_k1(log_ratio: Tensor) -> Tensor:
    """Unbiased and often negative: the log-ratio itself.

    For all three estimators `log_ratio` is log p - log q of tokens sampled from p, in nats, and
    the mean estimates KL(p, q). Source: Schulman 2020, "Approximating KL divergence".
    """
    return log_ratio


def kl_k2(log_ratio: Tensor) -> Tensor:
    """Never negative, biased, little variance: half the squared log-ratio."""
    return 0.5 * log_ratio**2


def kl_k3(log_ratio: Tensor) -> Tensor:
    """Unbiased and never negative: q/p - 1 - log q/p."""
    bounded = log_ratio.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    return torch.expm1(-bounded) + bounded


KL_ESTIMATORS: dict[str, Callable[[Tensor], Tensor]] = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Share of the returns' variance that the critic foresaw: 1 all, 0 none, below 0 misleading."""
    error = returns - values
    variance = masked_mean((returns - masked_mean(returns, mask)) ** 2, mask)
    unexplained = masked_mean((error - masked_mean(error, mask)) ** 2, mask)
    return 1 - unexplained / variance.clamp(min=1e-8)
