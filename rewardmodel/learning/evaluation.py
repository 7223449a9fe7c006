"""How good a reward model is on pairs it has not seen."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from scipy.stats import spearmanr

from rewardmodel.learning.baselines import length_baseline, majority_baseline, words_baseline
from rewardmodel.learning.calibration import (
    calibration,
    halves_by_prompt,
    reliability,
    scaled_crosswise,
)
from rewardmodel.learning.losses import tie_log_chances, tie_parameter
from rewardmodel.learning.pairs import Pair
from rewardmodel.learning.slices import aspect_slices, labeler_agreement, proportion, slices

LEAD_RANGE, LEAD_BINS = 4.0, 16  # log-odds either way, and bars between; beyond is at the ends
SURE = 0.9  # share of votes from which people count as confident
MOST_DISAGREEMENTS = 30  # as many as somebody reads


def figures(scores: np.ndarray, train: Sequence[Pair], test: Sequence[Pair]) -> dict[str, float]:
    """The numbers of result.json about quality.

    Where people prefer neither response there is nothing to be right about: such pairs count only
    for the mean and the standard deviation.

    Args:
        scores: of the chosen and rejected responses of `test`, (n, 2), not normalised.
        train: what was learned; the baselines learn from the same.
        test: held out.

    Returns:
        accuracy with the bounds of its 95% Wilson interval, the baselines and the labelers' own
        agreement on the same pairs, the calibration, and mean and standard deviation of the scores.
    """
    seen, lead = decided(scores, test)  # (m,)
    learned = [pair for pair in train if pair.decided]
    found = proportion(float(np.sum(np.where(lead == 0, 0.5, lead > 0))), len(lead))
    return {
        "accuracy": found["accuracy"],
        "accuracy_low": found["low"],
        "accuracy_high": found["high"],
        "train_pairs": len(train),
        "test_pairs": len(seen),
        "length_baseline": length_baseline(learned, seen),
        "majority_baseline": majority_baseline(learned, seen),
        "words_baseline": words_baseline(learned, seen),
        **labeler_agreement(lead, seen),
        "length_correlation": length_correlation(scores, test),
        "mean": float(scores.mean()),
        "std": max(float(scores.std()), 1e-6),
        **calibration(lead, seen),
    }


def decided(scores: np.ndarray, pairs: Sequence[Pair]) -> tuple[list[Pair], np.ndarray]:
    """The pairs on which people decided, and the leads of their chosen responses, (m,)."""
    kept = np.array([pair.decided for pair in pairs])
    return [pair for pair in pairs if pair.decided], (scores[:, 0] - scores[:, 1])[kept]


def report(
    scores: np.ndarray,
    test: Sequence[Pair],
    temperature: float,
    heads: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """What a page draws about held-out pairs.

    Args:
        scores: of the chosen and rejected responses, (n, 2), not normalised.
        test: held out.
        temperature: leads divided by it are log-odds.
        heads: leads, (n,), of the heads that judge one aspect each.

    Returns:
        slices; leads, a histogram of log-odds; reliability before and after temperature scaling;
        disagreements with confident people, the worst first.
    """
    seen, lead = decided(scores, test)
    inside = np.clip(lead / temperature, -LEAD_RANGE + 1e-9, LEAD_RANGE - 1e-9)
    counts, edges = np.histogram(inside, LEAD_BINS, (-LEAD_RANGE, LEAD_RANGE))
    crossed = scaled_crosswise(lead, halves_by_prompt(seen))
    return {
        "slices": slices(lead, seen)
        | {"aspect": aspect_slices(scores[:, 0] - scores[:, 1], heads or {}, test)},
        "leads": [
            {"lead": float(middle), "pairs": int(count)}
            for middle, count in zip((edges[:-1] + edges[1:]) / 2, counts, strict=True)
        ],
        "reliability": {"before": reliability(lead), "after": reliability(crossed)},
        "disagreements": disagreements(lead / temperature, seen),
    }


def disagreements(log_odds: np.ndarray, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Where the model contradicts confident people: pairs to read, labels or model are wrong.

    Args:
        log_odds: of the chosen response, (n,).
        pairs: n, on which people decided.
    """
    against = [
        (float(odds), pair)
        for odds, pair in zip(log_odds, pairs, strict=True)
        if odds < 0 and pair.preference >= SURE
    ]
    against.sort(key=lambda each: each[0])
    return [
        {
            "id": pair.id,
            "probability": float(expit(odds)),
            "preference": pair.preference,
            "margin": pair.margin,
            "votes": sum(pair.votes),
        }
        for odds, pair in against[:MOST_DISAGREEMENTS]
    ]


def predictions(scores: np.ndarray, test: Sequence[Pair]) -> list[dict[str, Any]]:
    """What the model says about each held-out pair, so that models can be compared pair by pair.

    Args:
        scores: of the chosen and rejected responses, (n, 2), normalised.
        test: held out.

    Returns:
        id, the two scores, the labels, and a digest of the chosen response: in another snapshot
        the other one may be chosen.
    """
    return [
        {
            "id": pair.id,
            "scores": [float(value) for value in row],
            "preference": pair.preference,
            "tie": pair.tie,
            "chosen": hashlib.sha256(pair.chosen.encode()).hexdigest()[:16],
        }
        for row, pair in zip(scores, test, strict=True)
    ]


def tie_figures(
    scores: np.ndarray, train: Sequence[Pair], test: Sequence[Pair], loss: str, tie: float
) -> dict[str, float]:
    """Whether the model knows when people prefer neither response.

    Args:
        scores: of the two responses of `test`, (n, 2), not normalised.
        train: what was learned.
        test: held out, undecided pairs among them.
        loss: "davidson" or "rao-kupper".
        tie: the learned number, see `losses.tie_parameter`.

    Returns:
        tie_parameter (nu or eta), tie_share and what the model expected of it, outcome_surprise
        (mean nats over the three outcomes), and constant_surprise: the same for a judge who always
        states the shares of the training pairs.
    """
    lead = torch.from_numpy(scores[:, 0] - scores[:, 1]).double()
    chances = tie_log_chances(lead, loss, torch.tensor(tie, dtype=torch.float64)).numpy()  # (n, 3)
    happened = np.array([pair.outcomes for pair in test])  # (n, 3)
    ties = np.mean([pair.tie for pair in train])
    # which of the two is called chosen tells the answer, so the constant judge halves the rest
    constant = np.log([(1 - ties) / 2, ties, (1 - ties) / 2])
    return {
        "tie_parameter": tie_parameter(tie),
        "tie_share": float(happened[:, 1].mean()),
        "tie_share_expected": float(np.exp(chances[:, 1]).mean()),
        "outcome_surprise": float(-(happened * chances).sum(1).mean()),
        "constant_surprise": float(-(happened * constant).sum(1).mean()),
    }


def length_correlation(scores: np.ndarray, pairs: Sequence[Pair]) -> float:
    """Spearman correlation of score and length among the answers to one prompt: 1 scores length.

    The middle of each pair is taken off both, so that neither a hard question nor which response
    people chose plays a part.

    Args:
        scores: of the two responses, (n, 2).
        pairs: n.
    """
    lengths = np.array([[len(pair.chosen), len(pair.rejected)] for pair in pairs], dtype=float)
    score, length = ((v - v.mean(1, keepdims=True)).ravel() for v in (scores, lengths))  # (2n,)
    if np.ptp(score) == 0 or np.ptp(length) == 0:
        return 0.0
    return float(spearmanr(score, length).statistic)
