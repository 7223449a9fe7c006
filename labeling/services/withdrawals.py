"""A labeler takes back the consent to use what they gave."""

from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Act, Tombstone, User, Withdrawal
from labeling.selectors.withdrawals import what_would_leave
from labeling.services import audit
from labeling.services.assignments import take_turns

AT_A_TIME = 5000


@transaction.atomic
def withdraw(*, labeler: User, now: datetime) -> Withdrawal:
    """Put a tombstone on all that a labeler judged and wrote so far.

    From then on no snapshot and no export holds it. Those of before stay as they are, because
    models were trained from them: engineers see which.

    Raises:
        NothingToWithdraw.
    """
    take_turns(labeler)  # two clicks at once withdraw once
    leaving = what_would_leave(labeler)
    if leaving.nothing:
        raise errors.NothingToWithdraw
    withdrawal = Withdrawal.objects.create(labeler=labeler, created_at=now)
    Tombstone.objects.bulk_create(
        (
            Tombstone(withdrawal=withdrawal, judgment_id=pk)
            for pk in leaving.judgments.values_list("pk", flat=True)
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
