"""What the best of n answers is worth, and how far choosing it moves a policy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def divergence(n: int) -> float:
    """Kullback-Leibler divergence, in nats, of "the best of n" from the policy that is sampled.

    Exact where no two answers score alike, an upper bound otherwise; whatever the policy and the
    judge.

    Source: Stiennon et al. 2020 (arXiv:2009.01325), appendix G.3; that it is a bound: Beirami et
    al. 2024 (arXiv:2401.01879), theorem 1.
    """
    return math.log(n) - (n - 1) / n


def expected_best(scores: np.ndarray, n: int) -> np.ndarray:
    """Expected score of the best of n answers to each prompt, from N >= n that were drawn, (P,).

    All subsets of n of the N answers are equally likely, so the i-th lowest of them is the best of
    a subset with probability C(i - 1, n - 1) / C(N, n): no subset has to be drawn, and no bias.

    Args:
        scores: (P, N).
        n: from 1 to N.

    Source: Nakano et al. 2021 (arXiv:2112.09332), appendix I.
    """
    drawn = scores.shape[1]
    below = [math.comb(place, n - 1) for place in range(drawn)]
    chance = np.array(below) / math.comb(drawn, n)
    return np.sort(scores, axis=1) @ chance


def figures(scores: np.ndarray) -> dict[str, Any]:
    """What choosing the best of all N answers gains, and the way there.

    Args:
        scores: (P, N), of at least one prompt.

    Returns:
        mean and best (scores), gain with its standard error over prompts, kl, and curve: n, score
        and kl for the powers of two and N.
    """
    prompts, drawn = scores.shape
    gain = scores.max(1) - scores.mean(1)
    error = float(gain.std(ddof=1)) / math.sqrt(prompts) if prompts > 1 else math.nan
    sizes = sorted({2**power for power in range(drawn.bit_length()) if 2**power <= drawn} | {drawn})
    return {
        "mean": float(scores.mean()),
        "best": float(scores.max(1).mean()),
        "gain": float(gain.mean()),
        "gain_se": error,
        "kl": divergence(drawn),
        "curve": [
            {"n": n, "score": float(expected_best(scores, n).mean()), "kl": divergence(n)}
            for n in sizes
        ],
    }


def best_answers(rows: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """The best answer to each prompt, by its number; none where that did not come to an end.

    An answer that was cut teaches answers without an end.

    Args:
        rows: with id and answers (text, score and finish_reason).
    """
    chosen = [(row["id"], max(row["answers"], key=lambda each: each["score"])) for row in rows]
    return [(number, answer) for number, answer in chosen if answer["finish_reason"] == "stop"]
