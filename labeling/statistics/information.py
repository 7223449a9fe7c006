"""How much a comparison of two players tells about the ranking of all of them.

Bradley-Terry strengths have a normal prior; near their best values the posterior is normal, with
the precision matrix H = I / s^2 + sum over judgments of p (1 - p) d d', where d is +1 for the one
player, -1 for the other, and p the chance that the one wins. A judgment of the pair with d adds
p (1 - p) d d', so by the matrix determinant lemma it shrinks the posterior's volume by
log2(1 + p (1 - p) d' H^-1 d) / 2 bits: what D-optimal design maximises (Chernoff 1972; Mikhailiuk
et al. 2021, arXiv:2004.05691).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PRIOR = 1.0  # standard deviation of strengths in log-odds before anything is known
STEPS = 100
CLOSE = 1e-10


@dataclass(frozen=True)
class Met:
    """What is known of two players, by their places 0 .. players-1."""

    one: int
    other: int
    wins: float  # of the one, ties half
    judgments: int


def strengths(met: Sequence[Met], players: int) -> np.ndarray:
    """The most likely strengths, (players,) in log-odds; they add up to 0.

    Newton's method on a concave function: it has one best point and this finds it.
    """
    found = np.zeros(players)
    for _ in range(STEPS):
        slope = -found / PRIOR**2
        for each in met:
            lead = each.wins - each.judgments * _chance(found, each.one, each.other)
            slope[each.one] += lead
            slope[each.other] -= lead
        step = np.linalg.solve(precision(met, found), slope)
        found += step
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    return found


def precision(met: Sequence[Met], at: np.ndarray) -> np.ndarray:
    """What is known about the strengths, (players, players)."""
    known = np.eye(len(at)) / PRIOR**2
    for each in met:
        _add(known, each.one, each.other, each.judgments * _weight(at, each.one, each.other))
    return known


def bits(met: Sequence[Met], at: np.ndarray) -> float:
    """By how much these judgments, and nothing else, shrink what the prior leaves open."""
    _sign, volume = np.linalg.slogdet(precision(met, at) * PRIOR**2)
    return float(volume / np.log(2) / 2)


def gain(covariance: np.ndarray, at: np.ndarray, one: int, other: int, judgments: int) -> float:
    """The bits that so many judgments of a pair are expected to add; 0 for a player itself."""
    if one == other:
        return 0.0
    d = covariance[:, one] - covariance[:, other]
    spread = float(d[one] - d[other])
    return float(np.log2(1 + judgments * _weight(at, one, other) * spread) / 2)


def most_informative(
    choices: Sequence[tuple[int, int]],
    met: Sequence[Met],
    players: int,
    count: int,
    judgments: int = 1,
) -> list[int]:
    """Which of the choices to ask, so many times, each counting on those before it.

    Args:
        choices: pairs of players.
        met: what is known before.
        judgments: that each asking brings.

    Returns:
        Places in `choices`.
    """
    at = strengths(met, players)
    covariance = np.linalg.inv(precision(met, at))
    chosen = []
    for _ in range(count):
        gains = [gain(covariance, at, one, other, judgments) for one, other in choices]
        best = int(np.argmax(gains))
        chosen.append(best)
        one, other = choices[best]
        if one != other:
            d = covariance[:, one] - covariance[:, other]
            weight = judgments * _weight(at, one, other)
            # Sherman and Morrison: the inverse of what was known and one more pair.
            covariance -= weight * np.outer(d, d) / (1 + weight * float(d[one] - d[other]))
    return chosen


def _chance(at: np.ndarray, one: int, other: int) -> float:
    return float(1 / (1 + np.exp(at[other] - at[one])))


def _weight(at: np.ndarray, one: int, other: int) -> float:
    p = _chance(at, one, other)
    return p * (1 - p)


def _add(known: np.ndarray, one: int, other: int, weight: float) -> None:
    if one != other:
        known[one, one] += weight
        known[other, other] += weight
        known[one, other] -= weight
        known[other, one] -= weight
