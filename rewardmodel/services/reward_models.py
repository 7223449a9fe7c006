import json
import shutil
from pathlib import Path
from typing import Any

from django.db import transaction

from labeling import artifacts, errors
from labeling.models import Policy, Snapshot, User
from rewardmodel.models import RewardModel

# Fewer pairs than this say nothing: a held-out accuracy would be a handful of coin flips.
FEWEST_TRAIN_PAIRS = 20
FEWEST_TEST_PAIRS = 4


@transaction.atomic
def start_reward_model(
    *, snapshot: Snapshot, base: Policy, by: User | None, config: dict[str, Any] | None = None
) -> RewardModel:
    """Ask for a reward model trained on a snapshot, its trunk taken from a policy.

    Raises:
        TooFewPairs: with the number that is missing.
    """
    check_enough(snapshot)
    if not base.checkpoint:
        raise errors.NotReady(f"{base} has no weights to start from; choose another policy.")
    run = RewardModel.objects.create(
        snapshot=snapshot, base=base, created_by=by, config=config or {}
    )
    run.enqueue()
    return run


def check_enough(snapshot: Snapshot) -> None:
    for name, there, fewest in (
        ("training", snapshot.train_pairs, FEWEST_TRAIN_PAIRS),
        ("held-out", snapshot.test_pairs, FEWEST_TEST_PAIRS),
    ):
        if there < fewest:
            raise errors.TooFewPairs(
                f"There are {there} {name} pairs, and at least {fewest} are needed: "
                f"{fewest - there} more. Let labelers judge more pairs, then try again."
            )


def prepare(run: RewardModel, directory: Path) -> None:
    """Lay out the directory in which the reward program works."""
    data = directory / "data.jsonl"
    if not data.exists():
        unfinished = directory / "data.jsonl.part"
        with (
            artifacts.open_artifact(run.snapshot.artifact_url) as source,
            unfinished.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
        unfinished.rename(data)
    config = {
        "seed": 0,
        **run.config,
        "program": "reward",
        "model": artifacts.weights(run.base.checkpoint),
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
