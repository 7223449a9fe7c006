"""How a campaign goes on by day and by labeler, from tallies: quick however much was judged."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Count, Sum

from labeling.models import Assignment, Campaign, Tally


@dataclass(frozen=True)
class Work:
    """Answers that stand, hours of attention, and what was promised for them."""

    answers: int
    hours: float
    cost: Decimal


def work_by_day(campaign: Campaign, judges: str) -> dict[date, Work]:
    """Of labelers at their pages, oldest day first; days without work are left out."""
    return {row["day"]: _work(row) for row in _summed(campaign, judges, "day")}


def work_by_labeler(campaign: Campaign, judges: str) -> dict[int, Work]:
    """By the labeler's number, those who answered most first."""
    found = _summed(campaign, judges, "labeler")
    return {
        row["labeler"]: _work(row) for row in sorted(found, key=lambda row: -row["all_answers"])
    }


def _summed(campaign: Campaign, judges: str, by: str) -> list[dict]:
    return list(
        Tally.objects.filter(campaign=campaign, judge_kind=judges, labeler__isnull=False)
        .values(by)
        .annotate(all_answers=Sum("answers"), all_seconds=Sum("seconds"), all_cost=Sum("cost"))
        .order_by(by)
    )


def _work(row: dict) -> Work:
    return Work(row["all_answers"], row["all_seconds"] / 3600, row["all_cost"])


def answers_given(campaign: Campaign) -> int:
    """Of all labelers, people and simulations: each stands for one answered slot."""
    given = Tally.objects.filter(campaign=campaign, labeler__isnull=False)
    return given.aggregate(total=Sum("answers"))["total"] or 0


def answers_open(campaign: Campaign) -> int:
    """Slots without an answer; walks only those, by the index of open slots."""
    return Assignment.objects.filter(campaign=campaign, answered_at__isnull=True).aggregate(
        open=Count("id")
    )["open"]
