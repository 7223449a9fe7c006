"""Agreement between people, beyond chance too, each figure with a 95 % interval.

Items that were answered alike count together: an item is the row of how often each value was
given to it, and a table holds each such row once with the number of items that look like it. Three
answers of three kinds make ten different rows, so a million answers are as quick as a hundred, and
a bootstrap over items is one draw of a multinomial for each replicate.

What can't be computed has no value but a reason; nothing here is ever NaN.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

REPLICATES = 1000
FEWEST_ITEMS = 5  # below which an interval would be a guess

Numbers = NDArray[np.float64]


class Level(StrEnum):
    """What the distance between two values means (Krippendorff 2011)."""

    NOMINAL = "nominal"  # equal or not
    ORDINAL = "ordinal"  # how many answers lie between them
    INTERVAL = "interval"  # their difference, squared


class Reason(StrEnum):
    """Why there is no figure."""

    NOBODY_TWICE = "nobody_twice"  # no item has two answers
    ONE_VALUE = "one_value"  # everybody always said the same, so chance would agree as well


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, or the reason why there is none."""

    items: int  # with two answers or more
    value: float | None = None
    low: float | None = None  # both bounds or none: too few items make no interval
    high: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class Ratings:
    """How often each value was given to an item; items alike stand together.

    Attributes:
        values: the V possible values, rising where they have an order.
        counts: answers by kind of item and value, (P, V); only items with two answers or more.
        times: how many items are of each kind, (P,).
    """

    values: Numbers
    counts: Numbers
    times: Numbers

    @property
    def items(self) -> int:
        return int(self.times.sum())


def ratings(
    kinds: Iterable[tuple[Sequence[int], int]], values: Sequence[float] | None = None
) -> Ratings:
    """Ratings from (how often each value was given, how many items are like that).

    Without `values` they are names in no order. Items with fewer than two answers say nothing
    about agreement and are left out.
    """
    rows = [(counts, times) for counts, times in kinds if sum(counts) >= 2 and times]
    width = len(values) if values is not None else max((len(row) for row, _ in rows), default=0)
    counts = np.array([row for row, _ in rows], dtype=float).reshape(len(rows), width)
    times = np.array([number for _, number in rows], dtype=float)
    return Ratings(np.array(values if values is not None else range(width), float), counts, times)


def tallied(items: Iterable[Sequence[Hashable]], values: Sequence[Hashable]) -> Ratings:
    """Ratings from the answers to each item; numbers among `values` keep their distances."""
    position = {value: number for number, value in enumerate(values)}
    kinds: Counter[tuple[int, ...]] = Counter()
    for answers in items:
        row = [0] * len(values)
        for answer in answers:
            row[position[answer]] += 1
        kinds[tuple(row)] += 1
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    return ratings(kinds.items(), numbers if len(numbers) == len(values) else range(len(values)))


def percent(table: Ratings) -> Estimate:
    """How often two answers to the same item are equal, over all pairs of answers.

    The interval is Wilson's with as many trials as the items are worth: their spread decides, and
    where all agree each item is one trial (Korn and Graubard 1998, Survey Methodology 24:193).
    """
    if not table.items:
        return Estimate(0, reason=Reason.NOBODY_TWICE)
    agreed, pairs = _pairs(table)
    value = float((table.times @ agreed) / (table.times @ pairs))
    if table.items < FEWEST_ITEMS:
        return Estimate(table.items, value)
    # The variance of a ratio over items, by linearisation.
    residuals = (agreed - value * pairs) / ((table.times @ pairs) / table.items)
    variance = float(table.times @ residuals**2) / (table.items * (table.items - 1))
    trials = value * (1 - value) / variance if variance > 0 else float(table.items)
    return Estimate(table.items, value, *_wilson(value, trials))


def alpha(table: Ratings, level: Level, seed: int = 0) -> Estimate:
    """Krippendorff's alpha: 1 is full agreement, 0 what chance would bring.

    Any number of answers an item, any of them missing. The interval is a percentile bootstrap over
    the items. Where nobody ever disagreed a bootstrap sees no spread, and the lower end follows
    from the interval of the percent agreement instead.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability.
    """
    together = _coincidences(table.counts)

    def of(weights: Numbers) -> Numbers:
        coincidences = np.einsum("rp,pab->rab", weights, together)
        given = coincidences.sum(axis=2)  # (R, V)
        total = given.sum(axis=1)
        distance = _distances(given, table.values, level)
        observed = (coincidences * distance).sum(axis=(1, 2)) / total
        expected = (given[:, :, None] * given[:, None, :] * distance).sum(axis=(1, 2))
        return 1 - _ratio(observed, expected / (total * (total - 1)))

    return _bootstrapped(table, of, seed)


def fleiss(table: Ratings, seed: int = 0) -> Estimate:
    """Fleiss' kappa, for items with unequal numbers of answers too: each item counts once.

    Source: Fleiss 1971, Psychological Bulletin 76:378; with missing answers as in Gwet 2014.
    """
    answers = table.counts.sum(axis=1)
    agreed, pairs = _pairs(table)
    shares = table.counts / answers[:, None]

    def of(weights: Numbers) -> Numbers:
        items = weights.sum(axis=1)
        observed = weights @ (agreed / pairs) / items
        expected = (((weights @ shares) / items[:, None]) ** 2).sum(axis=1)
        return 1 - _ratio(1 - observed, 1 - expected)

    return _bootstrapped(table, of, seed)


def cohen(table: Sequence[Sequence[int]]) -> Estimate:
    """Cohen's kappa of two people, from how often the one said a and the other b: [a][b].

    The interval is the normal one of Fleiss, Cohen and Everitt 1969 (Psychological Bulletin
    72:323); where the two never disagreed, its lower end follows from the percent agreement.
    """
    cells = np.array(table, dtype=float)
    items = int(cells.sum())
    if not items:
        return Estimate(0, reason=Reason.NOBODY_TWICE)
    p = cells / items
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if expected >= 1:
        return Estimate(items, reason=Reason.ONE_VALUE)
    kappa = (observed - expected) / (1 - expected)
    if items < FEWEST_ITEMS:
        return Estimate(items, kappa)
    if observed == 1:
        return Estimate(items, 1.0, _never_disagreed(items, expected), 1.0)
    margins = rows[None, :] + columns[:, None]  # [a][b]: the other's a and the one's b
    on = float(np.diag(p) @ (1 - np.diag(margins) * (1 - kappa)) ** 2)
    off = (1 - kappa) ** 2 * float((p * margins**2).sum() - np.diag(p) @ np.diag(margins) ** 2)
    rest = (kappa - expected * (1 - kappa)) ** 2
    error = sqrt(max(0.0, on + off - rest) / items) / (1 - expected)
    return Estimate(items, kappa, max(-1.0, kappa - 1.96 * error), min(1.0, kappa + 1.96 * error))


# How --------------------------------------------------------------------------------------------


def _pairs(table: Ratings) -> tuple[Numbers, Numbers]:
    """Pairs of answers that agree, and all pairs of answers, by kind of item: (P,) each."""
    answers = table.counts.sum(axis=1)
    return (table.counts * (table.counts - 1)).sum(axis=1) / 2, answers * (answers - 1) / 2


def _coincidences(counts: Numbers) -> Numbers:
    """How often a value meets another within an item, each answer weighing 1: (P, V, V)."""
    meetings = counts[:, :, None] * counts[:, None, :]
    values = np.arange(counts.shape[1])
    meetings[:, values, values] -= counts
    return meetings / (counts.sum(axis=1) - 1)[:, None, None]


def _distances(given: Numbers, values: Numbers, level: Level) -> Numbers:
    """Squared distances of values, (R, V, V); ordinal ones depend on how often each was given."""
    if level == Level.NOMINAL:
        return np.broadcast_to(1 - np.eye(len(values)), (len(given), len(values), len(values)))
    at = values[None, :] if level == Level.INTERVAL else given.cumsum(axis=1) - given / 2
    return (at[:, :, None] - at[:, None, :]) ** 2


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    """Part by whole; NaN, for this file alone, where chance could not have disagreed."""
    possible = whole > 1e-12
    return np.where(possible, part / np.where(possible, whole, 1), np.nan)


def _bootstrapped(table: Ratings, of: Callable[[Numbers], Numbers], seed: int) -> Estimate:
    """A statistic of the items' weights, (R, P) -> (R,), with its percentile interval."""
    items = table.items
    if not items:
        return Estimate(0, reason=Reason.NOBODY_TWICE)
    value = float(of(table.times[None, :])[0])
    if np.isnan(value):
        return Estimate(items, reason=Reason.ONE_VALUE)
    if items < FEWEST_ITEMS:
        return Estimate(items, value)
    agreed, pairs = _pairs(table)
    if (agreed == pairs).all():
        shares = table.times @ table.counts / (table.times @ table.counts).sum()
        return Estimate(items, value, _never_disagreed(items, float(shares @ shares)), value)
    draws = np.random.default_rng(seed).multinomial(
        items, table.times / table.times.sum(), REPLICATES
    )
    found = of(draws.astype(float))
    found = found[~np.isnan(found)]  # a replicate in which everybody said the same says nothing
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(items, value, min(float(low), value), max(float(high), value))


def _never_disagreed(items: int, expected: float) -> float:
    """The lower end where all agree: as many disagree as Wilson's bound admits, as by chance."""
    return max(-1.0, 1 - (1 - _wilson(1.0, items)[0]) / (1 - expected))


def _wilson(value: float, trials: float) -> tuple[float, float]:
    """Wilson's interval for a share of trials whose number need not be whole."""
    z2 = 1.96**2
    middle = (value + z2 / (2 * trials)) / (1 + z2 / trials)
    half = 1.96 / (1 + z2 / trials)
    half *= sqrt(value * (1 - value) / trials + z2 / (4 * trials**2))
    return max(0.0, min(middle - half, value)), min(1.0, max(middle + half, value))
