from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import Act, Policy, User
from labeling.services import audit
from rewardmodel.following import succeeded
from rlhf.models import PolicyRun, Promotion, SFTRun
from rlhf.sayings import FIRST_VERSION
from rlhf.selectors.policies import current_policy
from rlhf.services.serving import serve


def register_base(*, name: str, checkpoint: str) -> Policy:
    """The first version of a line, current from the start."""
    policy, created = Policy.objects.get_or_create(
        name=name, version=0, defaults={"checkpoint": checkpoint}
    )
    if created:
        Promotion.objects.create(policy=policy, reason=FIRST_VERSION())
        serve(policy)
    return policy


@transaction.atomic
def promote(*, policy: Policy, reason: str, by: User | None) -> Promotion:
    """Make a version its line's current policy. Rolling back is promoting the one before."""
    if not policy.checkpoint:
        raise errors.NotReady(
            _("%(policy)s has no weights, so it can't be promoted.") % {"policy": policy}
        )
    before = current_policy(policy.name)
    if before == policy:
        raise errors.Refused(_("%(policy)s is the current policy already.") % {"policy": policy})
    promotion = Promotion.objects.create(policy=policy, reason=reason, promoted_by=by)
    back = before is not None and policy.version < before.version
    audit.record(
        actor=by,
        act=Act.POLICY_ROLLED_BACK if back else Act.POLICY_PROMOTED,
        subject=policy,
        details={"before": before.slug if before else None, "reason": reason},
    )
    serve(policy)
    return promotion


@transaction.atomic
def register_version(
    run: PolicyRun | SFTRun, figures: dict[str, Any], checkpoint: str
) -> Policy | None:
    """Make a run's result the next version of its parent's line, and the run succeeded.

    None where it was recorded before, cancelled, or taken over by another worker.
    """
    # One registration at a time on a line, or two runs would want the same version.
    line = Policy.objects.select_for_update().filter(name=run.parent.name)
    list(line)
    newest = line.aggregate(newest=Max("version"))["newest"]
    if not succeeded(run, figures, checkpoint):
        return None
    policy = Policy.objects.create(
        name=run.parent.name, version=newest + 1, parent=run.parent, checkpoint=checkpoint
    )
    type(run)._default_manager.filter(pk=run.pk).update(policy=policy)
    return policy
