"""Accuracy on pairs from elsewhere whose better response is known.

    python -m rewardmodel.learning.suites MODEL_FOLDER ROWS_FILE

prints the figures of one suite as a line of JSON.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewardmodel.learning.artifact import Scorer, load_scorer
from rewardmodel.learning.devices import own_device
from rewardmodel.learning.slices import proportion

MOST_PAIRS = 500  # measured of a suite: on a CPU a few minutes, and within 4.4 % of the truth
ROWS_AT_A_TIME = 32


def measured(path: Path, scorer: Scorer) -> dict[str, Any]:
    """How often a model prefers the better response.

    Of a suite with more than MOST_PAIRS pairs the same part is measured every time, drawn at random
    over all subsets.

    Args:
        path: of rows with prompt, chosen, rejected and subset, one JSON object a line.
        scorer: of the model.

    Returns:
        accuracy, low, high and pairs, of all rows and of each subset by name.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    order = np.random.default_rng(0).permutation(len(rows))[:MOST_PAIRS]
    some = [rows[number] for number in sorted(order.tolist())]
    right = np.concatenate(
        [
            _right(some[at : at + ROWS_AT_A_TIME], scorer)
            for at in range(0, len(some), ROWS_AT_A_TIME)
        ]
    )
    names = np.array([row["subset"] for row in some])
    found: dict[str, Any] = dict(proportion(float(right.sum()), len(right)))
    found["subsets"] = [
        {
            "name": str(name),
            **proportion(float(right[names == name].sum()), int((names == name).sum())),
        }
        for name in np.unique(names)
        if name
    ]
    return found


def _right(rows: Sequence[dict[str, Any]], scorer: Scorer) -> np.ndarray:
    scores = scorer.score(
        [row["prompt"] for row in rows for _ in range(2)],
        [text for row in rows for text in (row["chosen"], row["rejected"])],
    )
    lead = np.array(scores[::2]) - np.array(scores[1::2])
    return np.where(lead == 0, 0.5, lead > 0)


def main() -> None:
    """Measure one model on one suite."""
    if len(sys.argv) != 3:
        sys.exit("Usage: python -m rewardmodel.learning.suites MODEL_FOLDER ROWS_FILE")
    try:
        scorer = load_scorer(Path(sys.argv[1]), own_device())
    except ValueError as refusal:
        sys.exit(str(refusal))
    print(json.dumps(measured(Path(sys.argv[2]), scorer)))


if __name__ == "__main__":
    main()
