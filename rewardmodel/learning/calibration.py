"""Whether the probabilities that follow from scores are meant."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from rewardmodel.learning.pairs import Pair

BINS = 10  # of confidence, as Guo et al. 2017 (arXiv:1706.04599) have about
HOTTEST = 20.0  # a temperature at which preferences are close to a coin; its inverse is the lowest


def halves_by_prompt(pairs: Sequence[Pair]) -> np.ndarray:
    """Which half of the pairs each belongs to, (n,): all pairs of a prompt to the same one.

    Pairs that all share a prompt are dealt out in turn, because both halves are needed.
    """
    prompts = (json.dumps(pair.prompt, sort_keys=True) for pair in pairs)
    second = np.array([hashlib.sha256(text.encode()).digest()[0] % 2 == 1 for text in prompts])
    return np.arange(len(pairs)) % 2 == 1 if second.all() or not second.any() else second


def scaled_crosswise(lead: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Leads, (n,), each half divided by the temperature that was fitted to the other one.

    A temperature always looks good on the pairs it was fitted to.

    Args:
        lead: score of the better response minus the other's.
        second: which pairs make up the second half.
    """
    scaled = np.empty_like(lead)
    for half in (second, ~second):
        scaled[half] = lead[half] / (fitted_temperature(lead[~half]) if (~half).any() else 1.0)
    return scaled


def calibration(lead: np.ndarray, pairs: Sequence[Pair]) -> dict[str, float]:
    """The temperature, and the calibration error before and after it.

    The error after is measured crosswise, on prompts the temperature has not seen.
    """
    crossed = scaled_crosswise(lead, halves_by_prompt(pairs))
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


def reliability(lead: np.ndarray) -> list[dict[str, float]]:
    """Mean confidence, accuracy and number of pairs in each bin of confidence that has any.

    Args:
        lead: score of the better response minus the other's, (n,).
    """
    confidence = expit(np.abs(lead))  # (n,) from 0.5 to 1: in the response believed to be better
    right = np.where(lead == 0, 0.5, lead > 0)
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": float(confidence[bins == each].mean()),
            "accuracy": float(right[bins == each].mean()),
            "pairs": int((bins == each).sum()),
        }
        for each in np.unique(bins)
    ]


def calibration_error(lead: np.ndarray) -> float:
    """Expected calibration error: how far confidence and accuracy are apart, from 0 to 1.

    Args:
        lead: score of the better response minus the other's, (n,).

    Source: Guo et al. 2017 (arXiv:1706.04599), equation 5, for the response believed to be better.
    """
    gaps = (b["pairs"] * abs(b["confidence"] - b["accuracy"]) for b in reliability(lead))
    return sum(gaps) / len(lead)
