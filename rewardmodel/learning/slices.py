"""How good a reward model is on which pairs, and how far people themselves agree there."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from rewardmodel.learning.pairs import Pair

MOST_CATEGORIES = 20  # more can't be compared by eye; the rarest are left out
ABOUT_EQUAL, MUCH = 0.1, 0.35  # difference in characters, as a share of the longer response


def proportion(right: float, trials: int) -> dict[str, float]:
    """A share of pairs with its 95 % Wilson interval.

    Args:
        right: successes; halves come from equal scores.
        trials: at least one.
    """
    # Wilson needs whole successes; rounding down keeps the claim on the careful side.
    low, high = binomtest(int(right), trials).proportion_ci(0.95, method="wilson")
    return {"accuracy": right / trials, "low": float(low), "high": float(high), "pairs": trials}


def slices(lead: np.ndarray, pairs: Sequence[Pair]) -> dict[str, list[dict[str, Any]]]:
    """Accuracy by category, by how far people agreed, and by which response is longer.

    Args:
        lead: score of the chosen response minus the other's, (n,).
        pairs: n, on which people decided.

    Returns:
        For each way of slicing, rows with name, pairs, accuracy, low and high.
    """
    common = [name for name, _ in Counter(p.category for p in pairs).most_common(MOST_CATEGORIES)]
    return {
        "category": _sliced(lead, pairs, lambda pair: pair.category, sorted(common)),
        "agreement": _sliced(lead, pairs, agreement_level, AGREEMENT_LEVELS),
        "length": _sliced(lead, pairs, length_gap, LENGTH_GAPS),
    }


def aspect_slices(
    lead: np.ndarray, heads: Mapping[str, np.ndarray], pairs: Sequence[Pair]
) -> list[dict[str, Any]]:
    """Accuracy in each aspect that people judged by itself.

    Args:
        lead: score of the chosen response minus the other's, (n,).
        heads: the same, (n,), of the heads that judge an aspect; for the other aspects the score
            itself is asked.
        pairs: n; in an aspect only those count in which people decided.

    Returns:
        Rows with name, pairs, accuracy, low and high.
    """
    rows = []
    for name in sorted({name for pair in pairs for name in pair.aspects}):
        towards = np.array([2 * pair.aspects.get(name, 0.5) - 1 for pair in pairs])
        said = (heads.get(name, lead) * np.sign(towards))[towards != 0]
        if said.size:
            right = float(np.sum(np.where(said == 0, 0.5, said > 0)))
            rows.append({"name": name, **proportion(right, said.size)})
    return rows


def _sliced(
    lead: np.ndarray, pairs: Sequence[Pair], name: Callable[[Pair], str], order: Sequence[str]
) -> list[dict[str, Any]]:
    right = np.where(lead == 0, 0.5, lead > 0)
    names = np.array([name(pair) for pair in pairs])
    return [
        {"name": each, **proportion(float(right[names == each].sum()), int((names == each).sum()))}
        for each in order
        if (names == each).any()
    ]


AGREEMENT_LEVELS = ["one answer", "all agree", "most agree", "divided"]


def agreement_level(pair: Pair) -> str:
    """How far the people who preferred one of the two agreed; divided below two thirds."""
    chosen, _, rejected = pair.votes
    if chosen + rejected < 2:
        return "one answer"
    if min(chosen, rejected) == 0:
        return "all agree"
    return "most agree" if max(chosen, rejected) * 3 >= (chosen + rejected) * 2 else "divided"


LENGTH_GAPS = ["much shorter", "shorter", "about as long", "longer", "much longer"]


def length_gap(pair: Pair) -> str:
    """The length of the chosen response beside the other's."""
    longest = max(len(pair.chosen), len(pair.rejected))
    gap = (len(pair.chosen) - len(pair.rejected)) / longest
    if abs(gap) <= ABOUT_EQUAL:
        return "about as long"
    return ("much " if abs(gap) > MUCH else "") + ("longer" if gap > 0 else "shorter")


def labeler_agreement(lead: np.ndarray, pairs: Sequence[Pair]) -> dict[str, float]:
    """How often two people who both preferred one response preferred the same: the ceiling.

    Beside it, how often the model agrees with one of those people on the same pairs. A model that
    does as well as another labeler has little left to learn from such labels.

    Args:
        lead: score of the chosen response minus the other's, (n,).
        pairs: n; only those with two or more preferences count.

    Returns:
        labeler_agreement with its bounds (each pair of responses counted as one trial, however
        many people judged it, which is careful), model_agreement, and agreement_pairs; empty when
        no pair was judged twice.
    """
    agreed, followed = [], []
    for each, pair in zip(lead, pairs, strict=True):
        chosen, _, rejected = pair.votes
        total = chosen + rejected
        if total < 2:
            continue
        together = chosen * (chosen - 1) + rejected * (rejected - 1)
        agreed.append(together / (total * (total - 1)))
        followed.append(0.5 if each == 0 else (chosen if each > 0 else rejected) / total)
    if not agreed:
        return {}
    people = proportion(sum(agreed), len(agreed))
    return {
        "labeler_agreement": people["accuracy"],
        "labeler_agreement_low": people["low"],
        "labeler_agreement_high": people["high"],
        "model_agreement": sum(followed) / len(followed),
        "agreement_pairs": len(agreed),
    }
