import json
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import Act, User
from labeling.services import audit
from rewardmodel.learning.rundirectory import write_text
from rlhf.models import PolicyRun, Steering


@transaction.atomic
def change_kl_coef(*, run: PolicyRun, kl_coef: float, by: User) -> Steering:
    """Let a run that goes on pay another price for divergence, from its next update on."""
    if run.config.get("algorithm") == "dpo":
        raise errors.Refused(_("This run learns by DPO, which has no KL coefficient."))
    return _steer(run, by, kl_coef=kl_coef)


@transaction.atomic
def finish(*, run: PolicyRun, by: User) -> Steering:
    """Let a run end after its present update: what it has learned becomes a policy."""
    return _steer(run, by, finish=True)


def _steer(
    run: PolicyRun, by: User, *, kl_coef: float | None = None, finish: bool = False
) -> Steering:
    run = PolicyRun.objects.select_for_update().get(pk=run.pk)
    before = list(run.steerings.all())
    if not run.is_active or run.cancel_requested_at or any(one.finish for one in before):
        raise errors.NothingToSteer
    made = Steering.objects.create(
        run=run, number=len(before) + 1, kl_coef=kl_coef, finish=finish, steered_by=by
    )
    audit.record(
        actor=by,
        act=Act.TRAINING_STEERED,
        subject=run,
        details={"step": run.step, "finish": True}
        if finish
        else {"step": run.step, "kl_coef": kl_coef},
    )
    return made


def hand_over(run: PolicyRun, directory: Path) -> None:
    """Write what was changed into the run's directory, where its program looks between updates."""
    made = list(run.steerings.values("number", "kl_coef", "finish"))
    path, text = directory / "steering.json", json.dumps(made)
    if made and (not path.exists() or path.read_text(encoding="utf-8") != text):
        write_text(path, text)
