"""What a labeler has done, for the labeler's own eyes."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Aggregate, Count, FloatField, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from labeling.models import Campaign, Judgment, Skip, User
from labeling.selectors.judgments import standing_answers_of
from labeling.selectors.quality import agreement_with_gold
from labeling.statistics import Share

DAYS = 30  # that the charts of one's pace look back


class Median(Aggregate):
    """The middle value, as PostgreSQL finds it."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Day:
    """One day's first answers to pairs; later changes of them take no part."""

    date: date
    answers: int
    per_hour: float  # of attention, not of the clock
    median_seconds: float


def own_answers(labeler: User) -> QuerySet[Judgment]:
    return standing_answers_of(labeler).select_related(
        "assignment", "comparison__campaign", "comparison__prompt", "tombstone"
    )


def own_skips(labeler: User) -> QuerySet[Skip]:
    return (
        Skip.objects.filter(labeler=labeler)
        .select_related("comparison__campaign", "comparison__prompt")
        .order_by("-id")
    )


def pace(labeler: User) -> list[Day]:
    """The labeler's pace on each day with timed answers, oldest first."""
    rows = (
        Judgment.objects.filter(
            labeler=labeler,
            supersedes__isnull=True,
            seconds__gt=0,
            created_at__gte=timezone.now() - timedelta(days=DAYS),
        )
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(answers=Count("id"), spent=Sum("seconds"), median=Median("seconds"))
        .order_by("day")
    )
    return [
        Day(row["day"], row["answers"], row["answers"] * 3600 / row["spent"], row["median"])
        for row in rows
    ]


def shown_gold(labeler: User) -> list[tuple[Campaign, Share]]:
    """How often the labeler agreed with gold, in the campaigns that show it."""
    campaigns = Campaign.objects.filter(show_gold=True, memberships__user=labeler).order_by("id")
    shares = [(campaign, agreement_with_gold(labeler, campaign)) for campaign in campaigns]
    return [(campaign, share) for campaign, share in shares if share is not None]
