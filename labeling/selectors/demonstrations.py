"""Demonstrations: which are wanted, from whom, and which stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labeling.models import (
    Campaign,
    Demonstration,
    DemonstrationSkip,
    DemonstrationSlot,
    Judgment,
    User,
)
from labeling.selectors.care import welcome_to


def prompts_held_by(labeler: User, campaign: Campaign) -> QuerySet[DemonstrationSlot]:
    """Prompts this labeler has open in a campaign, whether or not the lease still runs."""
    return DemonstrationSlot.objects.filter(
        labeler=labeler, answered_at__isnull=True, campaign=campaign
    ).order_by("id")


def free_slots(campaign: Campaign, now: datetime) -> QuerySet[DemonstrationSlot]:
    """Open slots that nobody holds or whose lease ran out, oldest first."""
    return DemonstrationSlot.objects.filter(
        Q(labeler__isnull=True) | Q(leased_until__lte=now),
        answered_at__isnull=True,
        campaign=campaign,
    ).order_by("id")


def prompts_claimable_by(
    labeler: User, campaign: Campaign, now: datetime
) -> QuerySet[DemonstrationSlot]:
    """Slots this labeler may take: of no prompt they had or skipped, and nothing opted out of."""
    same = {"campaign": campaign, "prompt": OuterRef("prompt"), "labeler": labeler}
    return welcome_to(labeler, campaign, free_slots(campaign, now), prompt="prompt").exclude(
        Exists(DemonstrationSlot.objects.filter(**same))
        | Exists(DemonstrationSkip.objects.filter(**same))
    )


def current_demonstrations(
    campaign: Campaign, kinds: Iterable[str] = (Judgment.JudgeKind.PERSON,)
) -> QuerySet[Demonstration]:
    """Demonstrations that stand and were not withdrawn, by these kinds of author."""
    return Demonstration.objects.filter(
        campaign=campaign,
        superseded_by__isnull=True,
        tombstone__isnull=True,
        author_kind__in=list(kinds),
    ).order_by("id")


def own_demonstrations(labeler: User) -> QuerySet[Demonstration]:
    """What a labeler wrote and what stands of it, newest first."""
    return (
        Demonstration.objects.filter(labeler=labeler, superseded_by__isnull=True)
        .select_related("campaign", "prompt", "slot")
        .order_by("-slot__answered_at", "-id")
    )


def written_by(labeler: User, since: datetime) -> int:
    """How many prompts this labeler has answered since a moment."""
    return DemonstrationSlot.objects.filter(labeler=labeler, answered_at__gte=since).count()


@dataclass(frozen=True)
class Writing:
    """How far the demonstrations of a campaign are, counted from its rows."""

    wanted: int  # one a slot
    written: int
    leased: int  # slots that a labeler has open now
    skipped: int
    imported: int
    edited: int  # of those that stand, how many started from a response

    @property
    def any(self) -> bool:
        return bool(self.wanted or self.imported)


def writing(campaign: Campaign) -> Writing:
    slots = DemonstrationSlot.objects.filter(campaign=campaign).aggregate(
        wanted=Count("id"),
        written=Count("id", filter=Q(answered_at__isnull=False)),
        leased=Count("id", filter=Q(answered_at__isnull=True, labeler__isnull=False)),
    )
    stand = Demonstration.objects.filter(campaign=campaign, superseded_by__isnull=True).aggregate(
        imported=Count("id", filter=Q(imported_from__isnull=False)),
        edited=Count("id", filter=Q(started_from__isnull=False)),
    )
    skipped = DemonstrationSkip.objects.filter(campaign=campaign).count()
    return Writing(**slots, **stand, skipped=skipped)
