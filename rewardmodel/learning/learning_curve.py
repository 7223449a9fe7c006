"""What more labels are worth: accuracy after fewer labels, and a line through it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rewardmodel.learning.learner import Learner
from rewardmodel.learning.model import RewardModel
from rewardmodel.learning.pairs import Example
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.training import accuracy, score, train

SHARES = (0.125, 0.25, 0.5)  # of the labels; with all of them stands the model itself
REPEATS = 3  # other labels of the same number, because a few labels are a matter of luck
FEWEST = 16  # labels of the smallest share


def learning_curve(
    config: RewardTraining,
    learner: Learner,
    train_examples: Sequence[Example],
    test_examples: Sequence[Example],
) -> list[dict[str, float]]:
    """Accuracy on the same held-out pairs after training on a part of the labels.

    Only for a frozen trunk, whose features the learner keeps: then it costs seconds. A trunk that
    learns would have to be trained again and again, so there the list is empty.

    Returns:
        pairs, accuracy (mean) and spread (standard deviation over repeats), fewest labels first,
        the model itself last.
    """
    if learner.kept is None:
        return []
    decided = [example for example in test_examples if example.pair.decided]
    points = []
    for share in SHARES:
        count = round(share * len(train_examples))
        if count < FEWEST:
            continue
        found = []
        for repeat in range(REPEATS):
            order = np.random.default_rng([config.seed, repeat]).permutation(len(train_examples))
            some = [train_examples[number] for number in order[:count]]
            found.append(
                _accuracy(replace(config, seed=config.seed + repeat), learner, some, decided)
            )
        points.append(
            {"pairs": count, "accuracy": float(np.mean(found)), "spread": float(np.std(found))}
        )
    whole = accuracy(score(learner, decided, config))
    return [*points, {"pairs": len(train_examples), "accuracy": whole, "spread": 0.0}]


def _accuracy(
    config: RewardTraining,
    learner: Learner,
    examples: Sequence[Example],
    test_examples: Sequence[Example],
) -> float:
    """Of a new head on the learner's trunk, trained on these examples."""
    has_ties = any(example.pair.tie for example in examples)  # a few labels may lack them
    loss = config.loss if has_ties else "bradley-terry"
    config = replace(config, evaluate_every=0, loss=loss)
    torch.manual_seed(config.seed)
    model = learner.model
    judge = RewardModel(
        model.trunk, model.padding, packing=config.packing, heads=len(config.head_names)
    )
    beginner = Learner(config, judge.to(learner.model.device), examples)
    beginner.kept = learner.kept  # the trunk reads nothing again
    for _ in train(config, beginner, examples, []):
        pass
    return accuracy(score(beginner, test_examples, config))


def worth_of_labels(points: Sequence[dict[str, float]], more: int) -> dict[str, float]:
    """What doubling the labels, and so many more of them, add to the accuracy.

    A straight line over the logarithm of the number of labels, which is how accuracy grows over
    the range one has (Bai et al. 2022, arXiv:2204.05862, figure 5).

    Args:
        points: a learning curve.
        more: labels beyond the last point.

    Returns:
        doubling and doubling_se, more_pairs, more_accuracy (added, with more_se); empty with fewer
        than three points, through which no line can be judged.
    """
    if len(points) < 3:
        return {}
    doublings = np.log2([point["pairs"] for point in points])
    reached = np.array([point["accuracy"] for point in points])
    x = doublings - doublings.mean()
    slope = float((x * reached).sum() / (x**2).sum())
    left = reached - reached.mean() - slope * x
    error = math.sqrt(float((left**2).sum()) / (len(points) - 2) / float((x**2).sum()))
    step = math.log2(1 + more / points[-1]["pairs"])
    return {
        "doubling": slope,
        "doubling_se": error,
        "more_pairs": more,
        "more_accuracy": slope * step,
        "more_se": error * step,
    }


def curve_report(points: list[dict[str, float]]) -> dict[str, Any]:
    """A learning curve with what as many labels again would add, at most a thousand."""
    if not points:
        return {}
    more = min(1000, int(points[-1]["pairs"]))
    return {"learning_curve": {"points": points, **worth_of_labels(points, more)}}
