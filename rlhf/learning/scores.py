"""What is done to a scorer's numbers before they become rewards."""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor


@dataclass(frozen=True)
class RunningScale:
    """The spread of all scores seen so far, by Welford's method (Chan et al. 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean

    def seeing(self, scores: Tensor) -> "RunningScale":
        """The spread once these scores, (B,), are counted too."""
        count = self.count + len(scores)
        mean = scores.mean().item()
        gap = mean - self.mean
        squares = ((scores - mean) ** 2).sum().item()
        return RunningScale(
            count,
            self.mean + gap * len(scores) / count,
            self.squares + squares + gap**2 * self.count * len(scores) / count,
        )

    @property
    def deviation(self) -> float:
        """Standard deviation; 1 as long as it is unknown."""
        return sqrt(self.squares / self.count) if self.squares > 0 else 1.0


def adjusted_scores(scores: Tensor, ended: Tensor, lengths: Tensor, pay: "Pay") -> Tensor:
    """Scores as the policy is paid: scaled, bounded, less for length and for being cut.

    Args:
        scores: (B,).
        ended: (B,), whether the answer ended by itself.
        lengths: tokens of the answers, (B,).
        pay: the rules.

    Returns:
        (B,).
    """
    scaled = (scores - pay.centre) / pay.divisor
    bounded = scaled.clamp(-pay.clip, pay.clip) if pay.clip else scaled
    paid = bounded - pay.length_penalty * lengths
    if pay.replace_cut and pay.missing_eos_penalty:
        return torch.where(ended, paid, torch.full_like(paid, -pay.missing_eos_penalty))
    return torch.where(ended, paid, paid - pay.missing_eos_penalty)


@dataclass(frozen=True)
class Pay:
    """What is done to scores, in the order of the fields."""

    centre: float = 0.0  # taken off
    divisor: float = 1.0  # standard deviation to divide by
    clip: float = 0.0  # largest score that counts, either way; 0 all
    length_penalty: float = 0.0  # taken for every token
    missing_eos_penalty: float = 0.0  # taken last from an answer that was cut, so nothing hides it
    replace_cut: bool = False  # such an answer gets the negative penalty instead of its score
