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


def adjusted_scores(
    scores: Tensor, ended: Tensor, divisor: float, clip: float, missing_eos_penalty: float
) -> Tensor:
    """Scores as the policy is paid: scaled, bounded, and less for an answer that was cut.

    Args:
        scores: (B,).
        ended: (B,), whether the answer ended by itself.
        divisor: standard deviation to divide by, 1 to leave the scale alone.
        clip: largest score that counts, either way; 0 all.
        missing_eos_penalty: subtracted last, so that clipping does not hide it.

    Returns:
        (B,).
    """
    scaled = scores / divisor
    bounded = scaled.clamp(-clip, clip) if clip else scaled
    return torch.where(ended, bounded, bounded - missing_eos_penalty)
