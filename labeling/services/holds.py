"""Quarantine and probation: what a labeler judged leaves the data, and can come back."""

from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Act, Campaign, Hold, Membership, User
from labeling.services import audit


@transaction.atomic
def place_hold(
    *, campaign: Campaign, labeler: User, kind: str, reason: str, by: User | None, now: datetime
) -> Hold:
    """Take a labeler's judgments out of a campaign's data; a probation gives way to a quarantine.

    Raises:
        AlreadyHeld.
    """
    User.objects.select_for_update(no_key=True).get(pk=labeler.pk)
    before = Hold.objects.filter(campaign=campaign, labeler=labeler, lifted_at__isnull=True).first()
    if before is not None:
        if before.kind == Hold.Kind.QUARANTINE or kind == before.kind:
            raise errors.AlreadyHeld
        _end(before, by, now)
    hold = Hold.objects.create(
        campaign=campaign,
        labeler=labeler,
        kind=kind,
        reason=reason[:300],
        placed_by=by,
        placed_at=now,
    )
    audit.record(
        actor=by,
        act=Act.LABELER_HELD,
        subject=labeler,
        campaign=campaign,
        details={"kind": str(kind), "reason": reason[:300]},
    )
    return hold


@transaction.atomic
def lift_hold(*, hold: Hold, by: User | None, now: datetime) -> Hold:
    """Let a labeler's judgments be data again. Lifting twice changes nothing."""
    hold = Hold.objects.select_for_update().get(pk=hold.pk)
    if hold.lifted_at is None:
        _end(hold, by, now)
        audit.record(
            actor=by,
            act=Act.LABELER_RELEASED,
            subject=hold.labeler,
            campaign=hold.campaign,
            details={"kind": hold.kind},
        )
    return hold


@transaction.atomic
def let_in(*, membership: Membership, by: User, now: datetime) -> None:
    """Qualify a labeler whatever the test says."""
    Membership.objects.filter(pk=membership.pk, qualified_at__isnull=True).update(qualified_at=now)
    audit.record(
        actor=by, act=Act.LABELER_LET_IN, subject=membership.user, campaign=membership.campaign
    )


def _end(hold: Hold, by: User | None, now: datetime) -> None:
    hold.lifted_by, hold.lifted_at = by, now
    hold.save(update_fields=["lifted_by", "lifted_at"])
