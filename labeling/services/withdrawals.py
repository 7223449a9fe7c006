"""A labeler takes back the consent to use what they gave."""

from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Act, Assignment, Campaign, Tombstone, User, Withdrawal
from labeling.selectors.withdrawals import what_would_leave
from labeling.services import audit
from labeling.services.assignments import stand_in_for, take_turns

AT_A_TIME = 5000


@transaction.atomic
def withdraw(*, labeler: User, now: datetime) -> Withdrawal:
    """Put a tombstone on all that a labeler judged and wrote so far.

    From then on no snapshot and no export holds it. Those of before stay as they are, because
    models were trained from them: engineers see which. Where a campaign still asks, others are
    asked in the labeler's place.

    Raises:
        NothingToWithdraw.
    """
    take_turns(labeler)  # two clicks at once withdraw once
    leaving = what_would_leave(labeler)
    if leaving.nothing:
        raise errors.NothingToWithdraw
    _ask_others(labeler, now)  # locks the slots first: a change on its way is withdrawn as well
    withdrawal = Withdrawal.objects.create(labeler=labeler, created_at=now)
    Tombstone.objects.bulk_create(
        (
            Tombstone(withdrawal=withdrawal, judgment_id=pk)
            # In the order of tallies, so that nobody who ranks meanwhile is waited for in turn.
            for pk in leaving.judgments.order_by("comparison").values_list("pk", flat=True)
        ),
        batch_size=AT_A_TIME,
    )
    Tombstone.objects.bulk_create(
        (
            Tombstone(withdrawal=withdrawal, demonstration_id=pk)
            for pk in leaving.demonstrations.values_list("pk", flat=True)
        ),
        batch_size=AT_A_TIME,
    )
    audit.record(
        actor=labeler,
        act=Act.DATA_WITHDRAWN,
        subject=withdrawal,
        details={
            "judgments": withdrawal.tombstones.filter(judgment__isnull=False).count(),
            "demonstrations": withdrawal.tombstones.filter(demonstration__isnull=False).count(),
        },
    )
    return withdrawal


def _ask_others(labeler: User, now: datetime) -> None:
    """Let a new slot stand in for each pair or group that this labeler answered."""
    answered = Assignment.objects.filter(
        labeler=labeler,
        answered_at__isnull=False,
        withdrawn_at__isnull=True,
        purpose=Assignment.Purpose.DATA,
        campaign__kind__in=[Campaign.Kind.COMPARISON, Campaign.Kind.RANKING],
    )
    locked = list(
        answered.select_for_update(of=("self",)).select_related("campaign").order_by("id")
    )
    for start in range(0, len(locked), AT_A_TIME):
        slots = locked[start : start + AT_A_TIME]
        for slot in slots:
            slot.withdrawn_at = now
        Assignment.objects.filter(pk__in=[slot.pk for slot in slots]).update(withdrawn_at=now)
        stand_in_for([s for s in slots if s.campaign.status != Campaign.Status.CLOSED])
