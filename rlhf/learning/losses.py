"""The clipped losses of PPO and its estimators of divergence. Masks are true on real tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

from rlhf.learning.advantages import masked_mean

LARGEST_LOG_RATIO = 20.0  # nats; exp of more would overflow a sum and means the run is lost anyway


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    clip_high: float = 0.0,
    dual_clip: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Loss whose descent makes good tokens likelier, with no gain from going further than `clip`.

    Args:
        logprobs: of the sampled tokens now, (B, T), in nats.
        old_logprobs: the same when they were sampled, (B, T).
        advantages: (B, T).
        mask: (B, T).
        clip: furthest useful change of a token's probability ratio, 0.2 for 0.8 to 1.2.
        clip_high: the same upwards, where it is another; 0 for `clip`. Yu et al. 2025
            (arXiv:2503.14476), section 3.1.
        dual_clip: ratio above which a token with a negative advantage pushes no harder, so that
            one very improbable token can't rule a step; 0 any. Ye et al. 2020
            (arXiv:1912.09729), equation 5.
        weights: how much each token counts, (B, T); None all the same.

    Source: Schulman et al. 2017 (arXiv:1707.06347), equation 7.
    """
    ratio = probability_ratio(logprobs, old_logprobs)
    plain = -advantages * ratio
    held = -advantages * ratio.clamp(1 - clip, 1 + (clip_high or clip))
    losses = torch.maximum(plain, held)
    if dual_clip:
        bounded = torch.minimum(losses, -advantages * dual_clip)
        losses = torch.where(advantages < 0, bounded, losses)
    return masked_mean(losses if weights is None else losses * weights, mask)


def preference_loss(leads: Tensor, scores: Tensor) -> Tensor:
    """Loss whose descent makes the better of two answers likelier, as compared with the reference.

    Args:
        leads: beta times (log-probability now minus under the reference) of whole answers, (2 n,);
            two answers to one prompt stand next to each other.
        scores: (2 n,); pairs with equal scores teach nothing.

    Returns:
        Mean over the pairs.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), equation 7, on answers of the present policy
    as in Guo et al. 2024 (arXiv:2402.04792).
    """
    ahead = (leads[0::2] - leads[1::2]) * torch.sign(scores[0::2] - scores[1::2])  # (n,)
    differs = (scores[0::2] != scores[1::2]).float()
    return -(torch.nn.functional.logsigmoid(ahead) * differs).mean()


def importance(logprobs: Tensor, sampled_logprobs: Tensor, mask: Tensor, cap: float) -> Tensor:
    """How much likelier each token is under the old policy than under what sampled it, at most cap.

    The two differ by rounding, or because the sampling weights were one step behind.

    Args:
        logprobs: of the policy before the update's first step, (B, T), in nats.
        sampled_logprobs: as the engine told them when it sampled, (B, T).
        mask: (B, T).
        cap: largest weight; it bounds the variance and costs some bias.

    Source: truncated importance sampling, Ionides 2008; Espeholt et al. 2018 (arXiv:1802.01561).
    """
    return probability_ratio(logprobs, sampled_logprobs).clamp(max=cap) * mask


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


def clip_fraction(
    logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, clip: float, clip_high: float = 0.0
) -> Tensor:
    """Share of the real tokens whose ratio has left the clip range."""
    ratio = probability_ratio(logprobs, old_logprobs)
    outside = (ratio < 1 - clip) | (ratio > 1 + (clip_high or clip))
    return masked_mean(outside.float(), mask)


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
