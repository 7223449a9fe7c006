import uuid
from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Assignment, Skip, User
from labeling.services.judgments import check_held, lock_slot


@transaction.atomic
def skip_comparison(
    *,
    assignment: Assignment,
    labeler: User,
    reason: str,
    note: str,
    client_key: uuid.UUID,
    now: datetime,
) -> Skip:
    """Pass a pair on to the other labelers, and keep why. The same key sent again does nothing.

    Raises:
        KeyReused, AlreadySkipped, AlreadyAnswered, LeaseExpired, CampaignNotOpen.
    """
    assignment = lock_slot(assignment.pk)
    stored = Skip.objects.filter(client_key=client_key).first()
    if stored is not None:
        if (stored.assignment_id, stored.labeler_id) != (assignment.pk, labeler.pk):
            raise errors.KeyReused
        return stored
    check_held(assignment, labeler)

    skip = Skip.objects.create(
        assignment=assignment,
        comparison=assignment.comparison,
        labeler=labeler,
        reason=reason,
        note=note,
        client_key=client_key,
        created_at=now,
    )
    assignment.labeler = None
    assignment.leased_until = None
    assignment.freed_at = now
    assignment.save(update_fields=["labeler", "leased_until", "freed_at"])
    return skip
