"""Telling those who want to know how training runs end."""

from datetime import datetime
from typing import Any

from django.urls import reverse

from labeling.models import EventKind
from labeling.services.events import announce
from rewardmodel.runs import TrainingRun

# Pages of runs by the name of their model; those of policies belong to an app above this one.
PAGES = {
    "rewardmodel": "rewardmodel:run",
    "policyrun": "rlhf:run",
    "sftrun": "rlhf:sft_run",
    "bestofrun": "rlhf:best_of_run",
}
ENDED = (TrainingRun.Status.SUCCEEDED, TrainingRun.Status.FAILED, TrainingRun.Status.CANCELLED)


def announce_end(
    run: TrainingRun, status: str, now: datetime, figures: dict[str, Any], error: str = ""
) -> None:
    """Called in the transaction that ends a run; what is stopped to be resumed has not ended."""
    if status not in ENDED:
        return
    name = run._meta.model_name or ""
    numbers = {k: v for k, v in figures.items() if isinstance(v, int | float | str)}
    announce(
        EventKind.TRAINING,
        getattr(run, "campaign", None),
        {
            "kind": name,
            "run": run.pk,
            "name": str(run),
            "status": str(status),
            "error": error,
            "figures": numbers,
        },
        now,
        reverse(PAGES[name], args=[run.pk]),
    )
