from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Act, User
from labeling.services import audit
from rewardmodel.runs import TrainingRun
from rewardmodel.services.announcements import announce_end


@transaction.atomic
def cancel(*, run: TrainingRun, now: datetime, by: User | None = None) -> None:
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
    if run.status == TrainingRun.Status.CANCELLED:
        announce_end(run, run.status, now, {})
    audit.record(actor=by, act=Act.TRAINING_CANCELLED, subject=run, details={"step": run.step})
