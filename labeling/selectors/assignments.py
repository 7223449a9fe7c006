from collections.abc import Iterator
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from labeling.models import Assignment, Campaign, Skip, User
from labeling.selectors.care import welcome_to

# Few enough to look at for each claim.
OLDEST = 100


def held_by(labeler: User, campaign: Campaign) -> QuerySet[Assignment]:
    """Work this labeler has open in a campaign, whether or not the lease still runs."""
    return Assignment.objects.filter(
        labeler=labeler, answered_at__isnull=True, campaign=campaign
    ).order_by("id")


def claimable_by(labeler: User, campaign: Campaign, now: datetime) -> QuerySet[Assignment]:
    """Open slots this labeler may take: free or run out, and not on a pair they had or skipped.

    What they opted out of is none of them.
    """
    # A value, not NOT EXISTS: of that PostgreSQL may make a join which reads all that the labeler
    # ever did, for each claim. This looks at one index entry for each slot on the way.
    had = Assignment.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    skipped = Skip.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    return (
        welcome_to(labeler, campaign, free_in(campaign, now))
        .alias(had=Subquery(had.values("pk")[:1]), skipped=Subquery(skipped.values("pk")[:1]))
        .filter(had__isnull=True, skipped__isnull=True)
    )


def places_to_claim(
    labeler: User, campaign: Campaign, now: datetime
) -> Iterator[QuerySet[Assignment]]:
    """Where the next slot is looked for, in turn; each is empty before the next is worth a look.

    First among the oldest free slots, so that pairs get finished. Where those are on pairs that
    this labeler had, behind the last of them. What is left then are slots given back in between:
    the only look that takes longer the more the labeler did, when there is hardly any work left.
    """
    claimable = claimable_by(labeler, campaign, now)
    last = Assignment.objects.filter(labeler=labeler, campaign=campaign).order_by("-id")
    yield claimable.filter(pk__in=free_in(campaign, now).values("pk")[:OLDEST])
    yield claimable.filter(pk__gt=Subquery(last.values("pk")[:1]))
    yield claimable


def free_in(campaign: Campaign, now: datetime) -> QuerySet[Assignment]:
    """Open slots that nobody holds or whose lease ran out, oldest first."""
    return Assignment.objects.filter(
        Q(labeler__isnull=True) | Q(leased_until__lte=now),
        answered_at__isnull=True,
        campaign=campaign,
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
