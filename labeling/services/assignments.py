from datetime import datetime, timedelta

from django.db import transaction

from labeling.models import Assignment, Campaign, User
from labeling.selectors.assignments import claimable_by, held_by


@transaction.atomic
def claim_next(*, labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    """Reserve the next comparison for one labeler, or return None when none is left.

    A labeler who holds one already gets that one again, so that a second tab or a reload shows
    the same pair. Two labelers asking at once get different work: rows locked by the other are
    skipped.
    """
    if campaign.status != Campaign.Status.OPEN:
        return None
    # One labeler's requests take turns, else two tabs opened at once would hold two pairs.
    User.objects.select_for_update(no_key=True).get(pk=labeler.pk)
    assignment = held_by(labeler, campaign).select_for_update(of=("self",)).first()
    if assignment is None:
        assignment = (
            claimable_by(labeler, campaign, now)
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
    if assignment is None:
        return None
    assignment.labeler = labeler
    assignment.leased_until = now + timedelta(minutes=campaign.lease_minutes)
    assignment.save(update_fields=["labeler", "leased_until"])
    return Assignment.objects.select_related(
        "comparison__campaign", "comparison__prompt", "comparison__first", "comparison__second"
    ).get(pk=assignment.pk)


def release(*, assignment: Assignment, labeler: User) -> bool:
    """Give an unanswered comparison back, so that someone else can take it at once."""
    return bool(
        Assignment.objects.filter(
            pk=assignment.pk, labeler=labeler, answered_at__isnull=True
        ).update(labeler=None, leased_until=None)
    )
