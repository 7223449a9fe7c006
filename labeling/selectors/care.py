"""What may harm who reads it, who wants none of it, and how much of it someone has seen."""

from datetime import datetime
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from labeling.models import (
    Assignment,
    Campaign,
    ChatTurn,
    DemonstrationSkip,
    DemonstrationSlot,
    OptOut,
    Prompt,
    Skip,
    User,
)

SlotModel = TypeVar("SlotModel", bound=Model)


def opted_out_by(labeler: User) -> set[str]:
    return set(OptOut.objects.filter(labeler=labeler).values_list("category", flat=True))


def welcome_to(
    labeler: User,
    campaign: Campaign,
    slots: QuerySet[SlotModel],
    prompt: str = "comparison__prompt",
) -> QuerySet[SlotModel]:
    """Those of a campaign's slots that show nothing this labeler opted out of.

    A prompt whose category is one of the campaign's warnings holds that and nothing else. Any
    other prompt may hold all that the campaign warns of. `prompt` is the way from slot to prompt.
    """
    unwanted = opted_out_by(labeler)
    if not unwanted:
        return slots
    slots = slots.exclude(**{f"{prompt}__category__in": unwanted})
    if unwanted & set(campaign.content_warnings):
        slots = slots.filter(**{f"{prompt}__category__in": campaign.content_warnings})
    return slots


def content_kept_from(labeler: User, campaign: Campaign) -> list[str]:
    """Content of this campaign that the labeler opted out of: why there may be less work."""
    unwanted = opted_out_by(labeler)
    sorted_into = (
        Prompt.objects.filter(
            Q(comparisons__campaign=campaign) | Q(demonstration_slots__campaign=campaign),
            category__in=unwanted,
        )
        .values_list("category", flat=True)
        .distinct()
    )
    return sorted(unwanted & {*campaign.content_warnings, *sorted_into}) if unwanted else []


def exposures(labeler: User, since: datetime) -> int:
    """Pairs and prompts with content warnings this labeler has done or skipped since, or holds.

    Of a conversation each turn counts, judged or not: its answers were on the screen.
    """
    harmful = Campaign.objects.filter(content_warnings__len__gt=0).values("pk")
    given_out = harmful.exclude(kind=Campaign.Kind.CHAT)
    seen = Q(answered_at__gte=since) | Q(answered_at__isnull=True)
    skipped = Q(labeler=labeler, created_at__gte=since)
    return (
        Assignment.objects.filter(seen, labeler=labeler, campaign__in=given_out).count()
        + ChatTurn.objects.filter(
            chat__labeler=labeler, chat__campaign__in=harmful, created_at__gte=since
        ).count()
        + DemonstrationSlot.objects.filter(seen, labeler=labeler, campaign__in=harmful).count()
        + Skip.objects.filter(skipped, comparison__campaign__in=harmful).count()
        + DemonstrationSkip.objects.filter(skipped, campaign__in=harmful).count()
    )


def content_to_opt_out_of(labeler: User, campaigns: QuerySet[Campaign]) -> list[str]:
    """What these campaigns warn of, how their prompts are sorted, and what was opted out of."""
    harmful = campaigns.filter(content_warnings__len__gt=0).exclude(status=Campaign.Status.CLOSED)
    warned = {
        word for words in harmful.values_list("content_warnings", flat=True) for word in words
    }
    sorted_into = (
        Prompt.objects.filter(
            Q(comparisons__campaign__in=harmful.values("pk"))
            | Q(demonstration_slots__campaign__in=harmful.values("pk"))
        )
        .exclude(category="")
        .values_list("category", flat=True)
        .distinct()
    )
    return sorted(warned | set(sorted_into) | opted_out_by(labeler), key=str.casefold)
