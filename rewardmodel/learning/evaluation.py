"""How good a reward model is on pairs it has not seen."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit
from scipy.stats import binomtest, spearmanr

from rewardmodel.learning.baselines import length_baseline, majority_baseline, words_baseline
from rewardmodel.learning.losses import tie_log_chances, tie_parameter
from rewardmodel.learning.pairs import Pair

BINS = 10  # of confidence, as Guo et al. 2017 (arXiv:1706.04599) have about
HOTTEST = 20.0  # a temperature at which preferences are close to a coin; its inverse is the lowest


def figures(scores: np.ndarray, train: Sequence[Pair], test: Sequence[Pair]) -> dict[str, float]:
    """Everything that result.json says about quality.

    Where people prefer neither response there is nothing to be right about: such pairs count only
    for the mean and the standard deviation.

    Args:
        scores: of the chosen and rejected responses of `test`, (n, 2), not normalised.
        train: what was learned; the baselines learn from the same.
        test: held out.

    Returns:
        accuracy with the bounds of its 95% Wilson interval, the baselines on the same pairs, the
        calibration, and mean and standard deviation of the scores.
    """
    everything, learned = scores, len(train)
    scores = scores[[pair.decided for pair in test]]
    train, test = ([pair for pair in pairs if pair.decided] for pairs in (train, test))
    lead = scores[:, 0] - scores[:, 1]  # (n,)
    right = float(np.sum(np.where(lead == 0, 0.5, lead > 0)))
    # Wilson needs whole successes; rounding down keeps the claim on the careful side.
    low, high = binomtest(int(right), len(lead)).proportion_ci(0.95, method="wilson")
    return {
        "accuracy": right / len(lead),
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "train_pairs": learned,
        "test_pairs": len(test),
        "length_baseline": length_baseline(train, test),
        "majority_baseline": majority_baseline(train, test),
        "words_baseline": words_baseline(train, test),
        "length_correlation": length_correlation(lead, test),
        "mean": float(everything.mean()),
        "std": max(float(everything.std()), 1e-6),
        **calibration(lead),
    }


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


def length_correlation(lead: np.ndarray, pairs: Sequence[Pair]) -> float:
    """Spearman correlation of the lead in score with the lead in characters: 1 scores length."""
    longer = [len(pair.chosen) - len(pair.rejected) for pair in pairs]
    if np.ptp(lead) == 0 or np.ptp(longer) == 0:
        return 0.0
    return float(spearmanr(lead, longer).statistic)


def calibration(lead: np.ndarray) -> dict[str, float]:
    """Whether probabilities are meant: the temperature, and the error before and after it.

    The error after is measured crosswise: each half of the pairs at the temperature of the other,
    because a temperature always looks good on the pairs it was fitted to.
    """
    halves = lead[::2], lead[1::2]
    crossed = np.concatenate(
        [
            halves[0] / fitted_temperature(halves[1]),
            halves[1] / fitted_temperature(halves[0]),
        ]
    )
    return {
        "temperature": fitted_temperature(lead),
        "calibration_error": calibration_error(lead),
        "calibration_error_scaled": calibration_error(crossed),
    }


def fitted_temperature(lead: np.ndarray) -> float:
    """The number to divide leads, (n,), by so that sigmoid gives the likeliest probabilities."""

    def surprise(log_temperature: float) -> float:
        return -float(np.mean(log_expit(lead / np.exp(log_temperature))))

    bounds = (-np.log(HOTTEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def calibration_error(lead: np.ndarray) -> float:
    """Expected calibration error: how far confidence and accuracy are apart, from 0 to 1.

    Args:
        lead: score of the better response minus the other's, (n,).

    Source: Guo et al. 2017 (arXiv:1706.04599), equation 5, for the response believed to be better.
    """
    confidence = expit(np.abs(lead))  # (n,) from 0.5 to 1
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence - np.where(lead == 0, 0.5, lead > 0), minlength=BINS)
    return float(np.abs(gaps).sum() / len(lead))
