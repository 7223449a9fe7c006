"""How many labels a question needs, and what the next ones are worth: closed forms, no data.

A win rate is a share of judgments, and judgments of the same pair say partly the same: with an
overlap of m and a correlation r between two of them, n judgments weigh as much as n / (1 + (m-1) r)
of different pairs (Kish 1965, the design effect). For answers of two kinds r is what Fleiss' kappa
and Krippendorff's alpha estimate.
"""

from dataclasses import dataclass
from math import ceil, inf, log2, sqrt

Z = 1.959963984540054  # standard normal, 97.5 %


def half_width(share: float, judgments: float) -> float:
    """Half of a 95 % Wilson interval about a share of so many independent judgments.

    Without judgments it is one half: the share may be anything.
    """
    squared = Z * Z
    inner = share * (1 - share) * judgments + squared / 4
    return Z * sqrt(inner) / (judgments + squared)


def judgments_for(share: float, wanted: float) -> int:
    """The fewest independent judgments whose interval is no wider than `wanted` to each side.

    Wilson's half width, squared and solved for n, is w^2 n^2 + (2 w^2 z^2 - z^2 p q) n
    + w^2 z^4 - z^4 / 4 = 0; the larger root counts. At p = 1/2 it is z^2 / (4 w^2) - z^2.

    Args:
        share: the win rate to be expected; 0.5 is the careful choice, no other needs more.
        wanted: 0 < wanted < 1.
    """
    squared, w = Z * Z, wanted * wanted
    b = 2 * w * squared - squared * share * (1 - share)
    c = w * squared**2 - squared**2 / 4
    root = (-b + sqrt(max(0.0, b * b - 4 * w * c))) / (2 * w)
    found = max(0, ceil(root - 1e-9))
    while half_width(share, found) > wanted + 1e-12:  # rounding may leave the root one short
        found += 1
    return found


def design_effect(overlap: int, alike: float) -> float:
    """How many judgments weigh as much as one of another pair.

    Args:
        overlap: judgments of each pair.
        alike: correlation between two of them, 0 .. 1.
    """
    return 1 + (overlap - 1) * min(1.0, max(0.0, alike))


@dataclass(frozen=True)
class Need:
    """What a goal asks for."""

    pairs: int
    overlap: int

    @property
    def judgments(self) -> int:
        return self.pairs * self.overlap

    def days(self, a_day: float) -> float:
        """At so many judgments a day, of all labelers together."""
        return self.judgments / a_day if a_day > 0 else inf


def need_for_width(share: float, wanted: float, overlap: int, alike: float) -> Need:
    """Pairs, each judged `overlap` times, for a win rate known to within `wanted`."""
    independent = judgments_for(share, wanted)
    return Need(ceil(independent * design_effect(overlap, alike) / overlap - 1e-9), overlap)


def width_after(share: float, pairs: float, overlap: int, alike: float) -> float:
    """How well a win rate is known after so many pairs."""
    return half_width(share, pairs * overlap / design_effect(overlap, alike))


@dataclass(frozen=True)
class Curve:
    """Accuracy of a reward model by the number of pairs it learns from: so much a doubling.

    A straight line over the logarithm holds over the range one has (Bai et al. 2022,
    arXiv:2204.05862, figure 5), not without end.
    """

    pairs: int
    accuracy: float
    doubling: float  # added with twice the pairs
    doubling_se: float = 0.0

    def after(self, pairs: float, doubling: float | None = None) -> float:
        """The accuracy to be expected with so many pairs in all; never above 1."""
        slope = self.doubling if doubling is None else doubling
        return min(1.0, self.accuracy + slope * log2(pairs / self.pairs))

    def gain(self, more: int) -> tuple[float, float]:
        """What so many pairs more are expected to add, and its standard error."""
        doublings = log2(1 + more / self.pairs)
        return self.doubling * doublings, self.doubling_se * doublings

    def pairs_for(self, wanted: float, doubling: float | None = None) -> int | None:
        """Pairs in all for an accuracy; None where more labels do not lead there."""
        slope = self.doubling if doubling is None else doubling
        if wanted <= self.accuracy:
            return self.pairs
        if slope <= 0 or wanted > 1 or (wanted - self.accuracy) / slope > 30:
            return None  # a billion times as many is no plan
        return ceil(self.pairs * 2 ** ((wanted - self.accuracy) / slope) - 1e-6)

    def range_for(self, wanted: float) -> tuple[int | None, int | None]:
        """The fewest and the most pairs that fit the slope's 95 % interval; None: out of reach."""
        error = Z * self.doubling_se
        return (
            self.pairs_for(wanted, self.doubling + error),
            self.pairs_for(wanted, self.doubling - error),
        )
