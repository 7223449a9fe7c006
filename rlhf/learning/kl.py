"""How much a nat away from the reference costs: a fixed price, or one that steers to a target."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

LARGEST_ERROR = 0.2  # of the target; a wild update moves the price no more than this


class KLController(Protocol):
    """The price of divergence now, and the controller for the next update."""

    @property
    def coefficient(self) -> float:
        """Score given up per nat of divergence from the reference."""
        ...

    def after(self, kl: float, episodes: int) -> Self:
        """The controller once `episodes` answers came out at `kl` nats each on average."""
        ...


@dataclass(frozen=True)
class FixedKL:
    """The same price throughout, as in InstructGPT (arXiv:2203.02155)."""

    coefficient: float

    def after(self, kl: float, episodes: int) -> Self:
        """Itself: what happened changes nothing."""
        return self


@dataclass(frozen=True)
class AdaptiveKL:
    """A price that rises while answers diverge more than `target` and falls while they do less.

    Source: Ziegler et al. 2019 (arXiv:1909.08593), section 2.2.
    """

    coefficient: float
    target: float  # nats per answer
    horizon: float  # episodes in which the price moves by about a fifth at most

    def after(self, kl: float, episodes: int) -> Self:
        """A price moved in proportion to the error, which counts 20 % at most."""
        error = max(-LARGEST_ERROR, min(LARGEST_ERROR, kl / self.target - 1))
        share = min(episodes / self.horizon, 1.0)
        return replace(self, coefficient=self.coefficient * (1 + error * share))
