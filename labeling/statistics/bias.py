"""What a labeler does whatever the pair: leanings, pace, monotony, drift, copying. Each measure has
a 95 % interval, and an alarm that honest labelers seldom set off.

An alarm needs three things: enough answers, a deviation that chance would bring about in fewer
than 1 % of campaigns (over all the labelers looked at together), and one large enough to matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf, log2, sqrt

import numpy as np
from scipy.stats import binomtest

from labeling.statistics.shares import Share, share

FAMILY_ERROR = 0.01  # chance of any false alarm of one kind in a campaign of honest labelers
FEWEST = 20  # answers, or shared pairs, before anything is said about somebody
LEANING = 0.07  # of a share: a deviation that matters
COPIED = 0.05  # more agreement than two people's skill explains
HURRY = 0.5  # of the others' median time
MONOTONY = 0.6  # of the others' median entropy
REPLICATES = 500
CANDIDATES = 12  # pairs of people that are looked at closely in each turn


@dataclass(frozen=True)
class Measure:
    """One figure about somebody, with its interval, what it is compared with, and an alarm."""

    value: float
    low: float
    high: float
    trials: int
    expected: float | None  # what an honest labeler would show; None: nobody to compare with
    alarm: bool = False


def leaning(
    successes: int, trials: int, expected: float | None, people: int, side: int = 0
) -> Measure | None:
    """A share of choices beside the expected one; None without a choice.

    Args:
        people: how many are looked at, since with many somebody always stands out.
        side: alarm only above (+1) or below (-1) what is expected; 0: both.
    """
    found: Share | None = share(successes, trials)
    if found is None:
        return None
    alarm = False
    if expected is not None and trials >= FEWEST:
        ways = {0: "two-sided", 1: "greater", -1: "less"}
        p = binomtest(successes, trials, expected, alternative=ways[side]).pvalue
        alarm = bool(p < FAMILY_ERROR / max(1, people) and abs(found.value - expected) > LEANING)
    return Measure(found.value, found.low, found.high, trials, expected, alarm)


def beside_the_rest(counts: Mapping[str, tuple[int, int]], side: int = 0) -> dict[str, Measure]:
    """Each one's share beside that of all others: {who: (successes, trials)}.

    The others' share is taken as known, which it is better than anybody's own.
    """
    successes = sum(mine for mine, _ in counts.values())
    trials = sum(tried for _, tried in counts.values())
    found = {}
    for who, (mine, tried) in counts.items():
        rest = trials - tried
        expected = (successes - mine) / rest if rest else None
        measure = leaning(mine, tried, expected, len(counts), side)
        if measure is not None:
            found[who] = measure
    return found


def pace(medians: Mapping[str, tuple[float, float, float, int]]) -> dict[str, Measure]:
    """Who is far faster than the others: {who: (median seconds, low, high, answers)}."""
    found = {}
    for who, (value, low, high, answers) in medians.items():
        others = [each[0] for name, each in medians.items() if name != who]
        expected = float(np.median(others)) if others else None
        alarm = answers >= FEWEST and expected is not None and high < HURRY * expected
        found[who] = Measure(value, low, high, answers, expected, alarm)
    return found


def monotony(answers: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Measure]:
    """Entropy in bits of each one's answers as they look on the screen: {who: counts}.

    Somebody who always presses the same key has 0. The interval is a bootstrap.
    """
    rng = np.random.default_rng(seed)
    values = {who: entropy(counts) for who, counts in answers.items() if sum(counts)}
    found = {}
    for who, value in values.items():
        counts = np.array(answers[who], dtype=float)
        total = int(counts.sum())
        draws = [entropy(d) for d in rng.multinomial(total, counts / total, REPLICATES)]
        low, high = (float(q) for q in np.quantile(draws, [0.025, 0.975]))
        others = [each for name, each in values.items() if name != who]
        expected = float(np.median(others)) if others else None
        alarm = total >= FEWEST and expected is not None and high < MONOTONY * expected
        found[who] = Measure(value, min(low, value), max(high, value), total, expected, alarm)
    return found


def entropy(counts: Sequence[float] | np.ndarray) -> float:
    """Of the distribution that the counts make, in bits."""
    total = sum(counts)
    return abs(-sum(n / total * log2(n / total) for n in counts if n))


def drift(early: tuple[int, int], late: tuple[int, int], people: int) -> Measure | None:
    """How far a share has moved from the earlier to the later: (successes, trials) of each.

    The interval is that of Agresti and Caffo 2000 (The American Statistician 54:280).
    """
    if not early[1] or not late[1]:
        return None
    (a, n), (b, m) = (((s + 1), (t + 2)) for s, t in (early, late))
    middle = b / m - a / n
    error = sqrt(a / n * (1 - a / n) / n + b / m * (1 - b / m) / m)
    p = 2 * (1 - _normal(abs(middle) / error))
    value = late[0] / late[1] - early[0] / early[1]
    alarm = (
        min(early[1], late[1]) >= FEWEST
        and p < FAMILY_ERROR / max(1, people)
        and abs(value) > LEANING
    )
    low, high = max(-1.0, middle - 1.96 * error), min(1.0, middle + 1.96 * error)
    return Measure(value, min(low, value), max(high, value), early[1] + late[1], 0.0, alarm)


def copies(agreed: Mapping[tuple[str, str], tuple[int, int]]) -> dict[tuple[str, str], Measure]:
    """Which two agree more than the skill of each explains: {(one, other): (agreed, shared)}.

    Each has a skill c, so that two who decide for themselves agree on (1 + c_one c_other) / 2 of
    the pairs they both decide on: a model of one common factor. The skills fit all pairs of people
    but those that stand out, which are set aside one by one. Three people's skills explain any
    agreement of theirs, so fewer than four are compared with nobody.
    """
    looked_at = {pair: counts for pair, counts in agreed.items() if counts[1] >= FEWEST}
    people = sorted({who for pair in looked_at for who in pair})
    place = {who: number for number, who in enumerate(people)}
    shared = np.zeros((len(people), len(people)))
    same = np.zeros_like(shared)
    for (one, other), (together, n) in looked_at.items():
        for a, b in ((place[one], place[other]), (place[other], place[one])):
            same[a, b], shared[a, b] = together, n
    enough = len(people) >= 4
    chance = FAMILY_ERROR / max(1, len(looked_at))
    weights = shared.copy()
    expected = _expected(same, shared, weights)
    alarms: set[tuple[int, int]] = set()
    while enough and (worst := _worst(same, shared, weights, expected, chance)):
        alarms.add(worst)
        weights[worst] = weights[worst[::-1]] = 0
        expected = _expected(same, shared, weights)
    found = {}
    for pair, (together, n) in agreed.items():
        measure = share(together, n)
        if measure is None:
            continue
        wanted, alarm = None, False
        if enough and pair in looked_at:
            at = place[pair[0]], place[pair[1]]
            alarm = at in alarms or at[::-1] in alarms
            wanted = float(expected[at])
        found[pair] = Measure(measure.value, measure.low, measure.high, n, wanted, alarm)
    return found


def _worst(
    same: np.ndarray, shared: np.ndarray, weights: np.ndarray, expected: np.ndarray, chance: float
) -> tuple[int, int] | None:
    """The pair that stands out most from what all the other pairs say about its two, if any does.

    Each candidate is left out of the fit that judges it, or it would explain itself.
    """
    above = np.where(np.triu(weights) > 0, _above(same, shared, expected), -np.inf)
    most: tuple[float, tuple[int, int]] | None = None
    for flat in np.argsort(above, axis=None)[::-1][:CANDIDATES]:
        a, b = (int(n) for n in np.unravel_index(flat, above.shape))
        if above[a, b] <= 0:
            break
        rest = weights.copy()
        rest[a, b] = rest[b, a] = 0
        without = _expected(same, shared, rest)[a, b]
        p = _chance_of(same[a, b], shared[a, b], without)
        matters = same[a, b] / shared[a, b] - without > COPIED
        if matters and p < chance and (most is None or p < most[0]):
            most = p, (a, b)
    return most[1] if most else None


def _expected(same: np.ndarray, shared: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Agreement by skill alone, (people, people): least squares over the pairs with weight."""
    beyond = 2 * same / np.maximum(shared, 1) - 1
    skill = np.full(len(same), 0.7)
    for _ in range(100):  # alternating least squares settles within a few dozen
        above = (weights * beyond * skill[None, :]).sum(axis=1)
        below = (weights * skill[None, :] ** 2).sum(axis=1)
        fitted = np.clip(above / np.maximum(below, 1e-9), 0, 1)
        skill = (skill + np.where(below > 0, fitted, skill)) / 2
    return np.minimum((1 + skill[:, None] * skill[None, :]) / 2, 0.995)


def _above(same: np.ndarray, shared: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How many standard errors above what is expected."""
    return (same - shared * expected) / np.sqrt(np.maximum(shared, 1) * expected * (1 - expected))


def _chance_of(same: float, shared: float, expected: float) -> float:
    """How likely two honest people would agree on as many."""
    return float(binomtest(int(same), int(shared), expected, alternative="greater").pvalue)


def _normal(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2
