from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery

from labeling.models import Assignment, Campaign, Search, Skip, User
from labeling.selectors.care import opted_out_by, welcome_to

# Few enough to look at for each claim.
OLDEST = 100
# Longer than a request takes, so that what it changed at its time is seen by then.
UNSEEN = timedelta(minutes=1)
SETTLED = timedelta(minutes=10)  # longer than it takes to add comparisons to a campaign


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


def quick_looks(labeler: User, campaign: Campaign, now: datetime) -> Iterator[QuerySet[Assignment]]:
    """Where the next slot is nearly always found, at the same cost whatever else there is.

    First among the oldest free slots, so that pairs get finished. Where those are on pairs that
    this labeler had, behind the last of them.
    """
    claimable = claimable_by(labeler, campaign, now)
    last = Assignment.objects.filter(labeler=labeler, campaign=campaign).order_by("-id")
    yield claimable.filter(pk__in=free_in(campaign, now).values("pk")[:OLDEST])
    yield claimable.filter(pk__gt=Subquery(last.values("pk")[:1]))


def whole_search(
    labeler: User, campaign: Campaign, now: datetime
) -> Iterator[QuerySet[Assignment]]:
    """All that a labeler may take, in parts that share nothing.

    Where an earlier search came to nothing, only what has become free since and what lies behind
    it: each slot is walked over once, not for each claim.
    """
    claimable = claimable_by(labeler, campaign, now)
    before = search_before(labeler, campaign)
    if before is None:
        yield claimable
        return
    here = Assignment.objects.filter(campaign=campaign)
    since = before.at - UNSEEN
    # Whoever lost one slot of a pair may take any other of it, so this is about pairs. Values, not
    # a subquery: PostgreSQL would rather walk all open slots in their order.
    freed = here.filter(freed_at__gte=since).values_list("comparison", flat=True)
    run_out = here.filter(
        answered_at__isnull=True, leased_until__gte=since, leased_until__lte=now
    ).values_list("comparison", flat=True)
    yield claimable.filter(comparison__in={*freed, *run_out}, pk__lte=before.up_to)
    yield claimable.filter(pk__gt=before.up_to)


def count_claimable(labeler: User, campaign: Campaign, now: datetime, up_to: int) -> int:
    """How many slots a labeler may take, counted no further than wanted."""
    for place in quick_looks(labeler, campaign, now):
        if place[:up_to].count() == up_to:
            return up_to
    found = 0
    for place in whole_search(labeler, campaign, now):
        found += place[: up_to - found].count()
        if found == up_to:
            break
    return found


def search_before(labeler: User, campaign: Campaign) -> Search | None:
    """How far the last search came, if it looked for the same."""
    before = Search.objects.filter(labeler=labeler, campaign=campaign).first()
    return before if before and before.without == kept_out(labeler, campaign) else None


def kept_out(labeler: User, campaign: Campaign) -> list[str]:
    """By what a search left slots out; without opt-outs it leaves none out."""
    unwanted = opted_out_by(labeler)
    return [*sorted(unwanted), "", *sorted(campaign.content_warnings)] if unwanted else []


def newest_settled(campaign: Campaign, now: datetime) -> int | None:
    """The last open slot before which no other can appear any more.

    Slots get their numbers before they can be seen, and not in that order.
    """
    return (
        Assignment.objects.filter(
            campaign=campaign,
            answered_at__isnull=True,
            comparison__created_at__lte=now - SETTLED,
        )
        .order_by("-id")
        .values_list("pk", flat=True)
        .first()
    )


def free_in(campaign: Campaign, now: datetime) -> QuerySet[Assignment]:
    """Open slots that nobody holds or whose lease ran out, oldest first."""
    return Assignment.objects.filter(
        Q(labeler__isnull=True) | Q(leased_until__lte=now),
        answered_at__isnull=True,
        campaign=campaign,
        purpose=Assignment.Purpose.DATA,  # checks belong to one labeler, whatever happens
    ).order_by("id")


def to_show(campaign: Campaign, pks: Sequence[int]) -> list[Assignment]:
    """These assignments of a campaign with all that a page shows of them, in one query."""
    parts = ["comparison__prompt", "comparison__first", "comparison__second"]
    if campaign.kind == Campaign.Kind.RANKING:  # PostgreSQL plans long over a join more
        parts.append("comparison__group")
    shown = list(Assignment.objects.filter(pk__in=pks).select_related(*parts).order_by("id"))
    for assignment in shown:
        assignment.campaign = assignment.comparison.campaign = campaign
    return shown


def answered_by(labeler: User, since: datetime) -> int:
    """How many comparisons this labeler has answered since a moment."""
    return Assignment.objects.filter(
        labeler=labeler, answered_at__gte=since, withdrawn_at__isnull=True
    ).count()
