"""What may harm who reads it, who wants none of it, and how much of it someone has seen."""

from datetime import datetime

from django.db.models import Q, QuerySet

from labeling.models import Assignment, Campaign, OptOut, Prompt, Skip, User


def opted_out_by(labeler: User) -> set[str]:
    return set(OptOut.objects.filter(labeler=labeler).values_list("category", flat=True))


def welcome_to(
    labeler: User, campaign: Campaign, assignments: QuerySet[Assignment]
) -> QuerySet[Assignment]:
    """Those of a campaign's assignments that show nothing this labeler opted out of.

    A prompt whose category is one of the campaign's warnings holds that and nothing else. Any
    other prompt may hold all that the campaign warns of.
    """
    unwanted = opted_out_by(labeler)
    if not unwanted:
        return assignments
    assignments = assignments.exclude(comparison__prompt__category__in=unwanted)
    if unwanted & set(campaign.content_warnings):
        assignments = assignments.filter(comparison__prompt__category__in=campaign.content_warnings)
    return assignments


def content_kept_from(labeler: User, campaign: Campaign) -> list[str]:
    """Content of this campaign that the labeler opted out of: why there may be less work."""
    unwanted = opted_out_by(labeler)
    sorted_into = (
        Prompt.objects.filter(comparisons__campaign=campaign, category__in=unwanted)
        .values_list("category", flat=True)
        .distinct()
    )
    return sorted(unwanted & {*campaign.content_warnings, *sorted_into}) if unwanted else []


def exposures(labeler: User, since: datetime) -> int:
    """Pairs with content warnings this labeler has answered or skipped since, or holds now."""
    harmful = Campaign.objects.filter(content_warnings__len__gt=0).values("pk")
    seen = Assignment.objects.filter(
        Q(answered_at__gte=since) | Q(answered_at__isnull=True),
        labeler=labeler,
        campaign__in=harmful,
    )
    skipped = Skip.objects.filter(
        labeler=labeler, created_at__gte=since, comparison__campaign__in=harmful
    )
    return seen.count() + skipped.count()


def content_to_opt_out_of(labeler: User, campaigns: QuerySet[Campaign]) -> list[str]:
    """What these campaigns warn of, how their prompts are sorted, and what was opted out of."""
    harmful = campaigns.filter(content_warnings__len__gt=0).exclude(status=Campaign.Status.CLOSED)
    warned = {
        word for words in harmful.values_list("content_warnings", flat=True) for word in words
    }
    sorted_into = (
        Prompt.objects.filter(comparisons__campaign__in=harmful.values("pk"))
        .exclude(category="")
        .values_list("category", flat=True)
        .distinct()
    )
    return sorted(warned | set(sorted_into) | opted_out_by(labeler), key=str.casefold)
