from datetime import datetime

from django.db import transaction

from labeling import errors
from rewardmodel.runs import TrainingRun


@transaction.atomic
def cancel(*, run: TrainingRun, now: datetime) -> None:
    """End a run that nobody wants any more. A running program stops within a second or so."""
    model = type(run)
    run = model._default_manager.select_for_update().get(pk=run.pk)
    if not run.is_active:
        raise errors.RunNotActive
    run.cancel_requested_at = now
    fields = ["cancel_requested_at"]
    if run.status == TrainingRun.Status.QUEUED:
        run.status, run.finished_at = TrainingRun.Status.CANCELLED, now
        fields += ["status", "finished_at"]
    run.save(update_fields=fields)
