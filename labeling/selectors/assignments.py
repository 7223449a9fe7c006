from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from labeling.models import Assignment, Campaign, Skip, User


def held_by(labeler: User, campaign: Campaign) -> QuerySet[Assignment]:
    """Work this labeler has open in a campaign, whether or not the lease still runs."""
    return Assignment.objects.filter(
        labeler=labeler, answered_at__isnull=True, comparison__campaign=campaign
    ).order_by("id")


def claimable_by(labeler: User, campaign: Campaign, now: datetime) -> QuerySet[Assignment]:
    """Open slots this labeler may take: free or run out, and not on a pair they had or skipped."""
    had = Assignment.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    skipped = Skip.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    return Assignment.objects.filter(
        Q(labeler__isnull=True) | Q(leased_until__lte=now),
        ~Exists(had),
        ~Exists(skipped),
        answered_at__isnull=True,
        comparison__campaign=campaign,
    ).order_by("id")


def to_show(pks: list[int]) -> QuerySet[Assignment]:
    """These assignments with all that a page shows of them, in one query."""
    return (
        Assignment.objects.filter(pk__in=pks)
        .select_related(
            "comparison__campaign", "comparison__prompt", "comparison__first", "comparison__second"
        )
        .order_by("id")
    )


def answered_by(labeler: User, since: datetime) -> int:
    """How many comparisons this labeler has answered since a moment."""
    return Assignment.objects.filter(
        labeler=labeler, answered_at__gte=since, withdrawn_at__isnull=True
    ).count()
