import json
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling import artifacts, errors
from labeling.models import Act, Policy, Snapshot, User
from labeling.services import audit
from rewardmodel.models import RewardModel

# The training program's own limits, repeated here because the web process can't load it (torch).
FEWEST = {"min_train_pairs": 50, "min_test_pairs": 10}
TOO_FEW_TO_TRAIN = gettext_lazy(
    "There are %(there)d training pairs, and at least %(fewest)d are needed: %(more)d more. Let "
    "labelers judge more pairs, then try again."
)
TOO_FEW_HELD_OUT = gettext_lazy(
    "There are %(there)d held-out pairs, and at least %(fewest)d are needed: %(more)d more. Let "
    "labelers judge more pairs, then try again."
)


@transaction.atomic
def start_reward_model(
    *, snapshot: Snapshot, base: Policy, by: User | None, config: dict[str, Any] | None = None
) -> RewardModel:
    """Ask for a reward model trained on a snapshot, its trunk taken from a policy.

    Raises:
        TooFewPairs: with the number that is missing.
    """
    check_enough(snapshot, config or {})
    if not base.checkpoint:
        raise errors.NotReady(
            _("%(policy)s has no weights to start from; choose another policy.") % {"policy": base}
        )
    run = RewardModel.objects.create(
        snapshot=snapshot, base=base, created_by=by, config=config or {}
    )
    audit.record(
        actor=by,
        act=Act.TRAINING_STARTED,
        subject=run,
        details={"snapshot": snapshot.digest, "base": base.slug, "config": run.config},
    )
    run.enqueue()
    return run


def check_enough(snapshot: Snapshot, config: dict[str, Any]) -> None:
    """Refuse to train on less than teaches, or to measure on less than tells."""
    limits = FEWEST | {name: value for name, value in config.items() if name in FEWEST}
    for sentence, there, fewest in (
        (TOO_FEW_TO_TRAIN, snapshot.train_pairs, limits["min_train_pairs"]),
        (TOO_FEW_HELD_OUT, snapshot.test_pairs, limits["min_test_pairs"]),
    ):
        if there < fewest:
            raise errors.TooFewPairs(
                sentence % {"there": there, "fewest": fewest, "more": fewest - there}
            )


def prepare(run: RewardModel, directory: Path) -> None:
    """Lay out the directory in which the reward program works."""
    artifacts.copy_once(run.snapshot.artifact_url, directory / "data.jsonl")
    config = {
        "seed": 0,
        **run.config,
        "program": "reward",
        "model": artifacts.weights(run.base.checkpoint),
        "about": {
            "campaign": run.snapshot.campaign.name,
            "snapshot": run.snapshot.digest,
            "aggregation": run.snapshot.recipe.get("aggregation", ""),
            "judged_by": ", ".join(run.snapshot.recipe.get("judge_kinds", [])),
            "trunk": run.base.slug,
        },
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
