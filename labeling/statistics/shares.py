"""Shares of trials with their intervals, and two shares beside each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import NormalDist

from scipy.stats import binomtest

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Share:
    """A share of trials with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    trials: int


def share(successes: int, trials: int) -> Share | None:
    """The share of successes with its interval; None when nothing was tried.

    In closed form, since pages show hundreds of them. Source: Wilson 1927.
    """
    if not trials:
        return None
    value, z2 = successes / trials, Z * Z
    middle = (value + z2 / (2 * trials)) / (1 + z2 / trials)
    half = sqrt(value * (1 - value) / trials + z2 / (4 * trials**2)) * Z / (1 + z2 / trials)
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == trials else middle + half
    return Share(value, low, high, trials)


def pairwise_agreement(items: Iterable[Sequence[str]]) -> Share | None:
    """How often two answers to the same item are equal, over all pairs of answers.

    The interval counts each item as one trial per pair of answers, so with more than two
    answers an item it is a little too narrow.
    """
    agreed = pairs = 0
    for answers in items:
        for one, other in combinations(answers, 2):
            pairs += 1
            agreed += one == other
    return share(agreed, pairs)


def win_share(wins: int, losses: int, ties: int) -> Share | None:
    """How often the one beat the other, a tie counting half to each, with a Wilson interval."""
    trials = wins + losses + ties
    if not trials:
        return None
    value = (wins + ties / 2) / trials
    # Wilson needs whole successes; rounding down keeps the claim on the careful side.
    careful = share(wins + ties // 2, trials)
    assert careful is not None
    return Share(value, careful.low, careful.high, trials)


@dataclass(frozen=True)
class PairedDifference:
    """How much more often the one was right than the other, both on the same trials."""

    value: float
    low: float  # of a 95 % interval
    high: float
    p: float  # how likely a difference at least this large is between equals
    trials: int


def paired_difference(only_one: int, only_other: int, trials: int) -> PairedDifference | None:
    """Compare two judges on the same trials; None when there are none.

    Trials on which both are right or both wrong say nothing about who is better: between equals
    the others fall to either side like a coin (McNemar 1947, exact). The interval is that of
    Agresti and Min 2005 (Statistics in Medicine 24:729), Wald's after half a trial was added to
    each of the four cells.
    """
    if not trials:
        return None
    differing = only_one + only_other
    p = float(binomtest(only_one, differing).pvalue) if differing else 1.0
    one, other, total = only_one + 0.5, only_other + 0.5, trials + 2
    middle = (one - other) / total
    error = sqrt(one + other - (one - other) ** 2 / total) / total
    return PairedDifference(
        (only_one - only_other) / trials,
        max(-1.0, middle - 1.96 * error),
        min(1.0, middle + 1.96 * error),
        p,
        trials,
    )
