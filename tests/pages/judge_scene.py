"""What a finished reward model has measured and left behind: invented, as the whole scene is."""

import hashlib
import json
import math
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from labeling.models import Comparison
from rewardmodel.models import Appointment, RewardModel, Suite, SuiteResult
from rlhf.generation.expected_best import figures as figures_of
from rlhf.models import BestOfRun, BestOfRunMetric
from tests.pages.scene import Scene

CARD = "# Reward model\n\n## Data\n\n| Of | Value |\n| --- | --- |\n| campaign | `Helpfulness` |\n"


def figures(held_out: list[int]) -> dict[str, Any]:
    """The numbers of a model that is right in two of three pairs."""
    return {
        "accuracy": 0.684,
        "accuracy_low": 0.553,
        "accuracy_high": 0.791,
        "length_baseline": 0.561,
        "majority_baseline": 0.509,
        "words_baseline": 0.596,
        "labeler_agreement": 0.727,
        "labeler_agreement_low": 0.558,
        "labeler_agreement_high": 0.849,
        "model_agreement": 0.667,
        "agreement_pairs": 33,
        "calibration_error": 0.118,
        "calibration_error_scaled": 0.064,
        "temperature": 1.7,
        "length_correlation": 0.21,
        "undecided_pairs": 21,
        "tie_share": 0.084,
        "tie_share_expected": 0.091,
        "test_pairs": 57,
        "train_pairs": 318,
        "report": report(held_out),
    }


def report(held_out: list[int]) -> dict[str, Any]:
    def rows(*of: tuple[str, float, int]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "accuracy": share,
                "low": max(0.0, share - 0.9 / math.sqrt(pairs)),
                "high": min(1.0, share + 0.8 / math.sqrt(pairs)),
                "pairs": pairs,
            }
            for name, share, pairs in of
        ]

    return {
        "slices": {
            "category": rows(("", 0.61, 18), ("advice", 0.76, 21), ("facts", 0.67, 18)),
            "agreement": rows(
                ("one answer", 0.63, 24), ("all agree", 0.82, 22), ("divided", 0.55, 11)
            ),
            "length": rows(
                ("shorter", 0.58, 19), ("about as long", 0.69, 13), ("longer", 0.76, 25)
            ),
        },
        "leads": [
            {"lead": lead / 4, "pairs": round(12 * math.exp(-((lead / 4 - 0.6) ** 2)))}
            for lead in range(-12, 13, 2)
        ],
        "reliability": {
            "before": [
                {"confidence": c, "accuracy": 0.5 + (c - 0.5) * 0.55, "pairs": 11}
                for c in (0.53, 0.62, 0.71, 0.83, 0.94)
            ],
            "after": [
                {"confidence": c, "accuracy": c + e, "pairs": 14}
                for c, e in ((0.53, 0.04), (0.6, -0.05), (0.68, 0.03), (0.78, -0.02))
            ],
        },
        "learning_curve": {
            "points": [
                {"pairs": 40, "accuracy": 0.601, "spread": 0.021},
                {"pairs": 80, "accuracy": 0.628, "spread": 0.017},
                {"pairs": 159, "accuracy": 0.662, "spread": 0.012},
                {"pairs": 318, "accuracy": 0.684, "spread": 0.0},
            ],
            "doubling": 0.0285,
            "doubling_se": 0.0021,
            "more_pairs": 318,
            "more_accuracy": 0.0285,
            "more_se": 0.0021,
        },
        "disagreements": [
            {"id": pk, "probability": 0.2, "preference": 1.0, "margin": 0.67, "votes": 2}
            for pk in held_out[:3]
        ],
    }


def leave_behind(run: RewardModel, comparisons: list[Comparison], seed: int = 3) -> None:
    """The result of a run in the store: its word on each held-out pair, and its card."""
    chance = random.Random(seed)
    folder = Path(settings.VAR) / "judges" / str(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for comparison in comparisons:
            row = {
                "id": comparison.pk,
                "scores": [chance.gauss(0.3, 1), chance.gauss(-0.3, 1)],
                "preference": 1.0,
                "tie": 0.0,
                "chosen": hashlib.sha256(comparison.first.text.encode()).hexdigest()[:16],
            }
            file.write(json.dumps(row) + "\n")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    run.checkpoint = f"file://{folder}"
    run.figures = figures([comparison.pk for comparison in comparisons])
    run.save(update_fields=["checkpoint", "figures"])


def held_out(scene: Scene) -> list[Comparison]:
    return list(scene.campaign.comparisons.select_related("first").order_by("pk"))


def rival(scene: Scene) -> RewardModel:
    """A second finished model of the campaign, of another mind on some pairs."""
    run = RewardModel.objects.create(
        snapshot=scene.reward_model.snapshot,
        base=scene.parent,
        status="succeeded",
        checkpoint="file:///nowhere",
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )
    leave_behind(run, held_out(scene), seed=4)
    return run


def in_use(scene: Scene) -> BestOfRun:
    """The model took another's place, was measured on a suite, and chose the best answers once."""
    other, run = rival(scene), scene.reward_model
    run.figures |= {
        "labelers": 11,
        "labeler_skill_median": 0.81,
        "labeler_skill_lowest": 0.57,
        "labeler_skill_highest": 0.95,
        "labeler_lean_largest": 0.68,
        "beside": {
            "reward_model": other.pk,
            "both_right": 31,
            "only_new": 8,
            "only_other": 5,
            "neither": 13,
        },
    }
    run.save(update_fields=["figures"])
    for each in (other, run):
        Appointment.objects.create(campaign=scene.campaign, reward_model=each)
    suite = Suite.objects.create(
        name="LLMBar Natural", digest="c" * 64, artifact_url="file:///nowhere", pairs=100
    )
    Suite.objects.create(
        name="RewardBench", digest="d" * 64, artifact_url="file:///nowhere", pairs=2985
    )
    whole = {"accuracy": 0.61, "low": 0.512, "high": 0.7, "pairs": 100}
    subset = {"name": "sorting", "accuracy": 0.55, "low": 0.34, "high": 0.74, "pairs": 20}
    SuiteResult.objects.create(
        suite=suite, reward_model=run, figures={**whole, "subsets": [subset]}
    )
    return _chosen(scene)


def _chosen(scene: Scene) -> BestOfRun:
    scores = np.random.default_rng(5).normal(0.1, 0.8, (48, 16))
    now = timezone.now()
    run = BestOfRun.objects.create(
        reward_model=scene.reward_model,
        policy=scene.child,
        created_by=scene.engineer,
        status="succeeded",
        config={"n": 16, "prompts": 48},
        step=48,
        steps=48,
        attempts=1,
        started_at=now - timedelta(minutes=14),
        finished_at=now - timedelta(minutes=2),
        checkpoint="file:///nowhere",
        figures={"n": 16, "prompts": 48, "left_out": 2, "ended": 0.83, **figures_of(scores)},
    )
    folder = Path(settings.VAR) / "chosen"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as file:
        for prompt, row in zip(scene.campaign.prompts.order_by("id")[:4], scores, strict=False):
            answers = [
                {"text": f"Answer {n}: it depends.", "score": float(s), "finish_reason": "stop"}
                for n, s in enumerate(row)
            ]
            file.write(json.dumps({"id": prompt.pk, "answers": answers}) + "\n")
    run.checkpoint = f"file://{folder}"
    run.save(update_fields=["checkpoint"])
    for step in range(8, 49, 8):
        values = {"mean": 0.1 + step % 3 / 20, "best": 1.4 + step % 5 / 10, "seconds": 15.0}
        BestOfRunMetric.objects.create(run=run, step=step, values=values)
    return run
