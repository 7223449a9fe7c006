"""How a campaign goes on by day and by labeler, from tallies: quick however much was judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, F, Sum, Value

from labeling.models import Assignment, Campaign, CampaignTally, Hold, Judgment, Tally
from labeling.selectors.judgments import standing_judgments

# The bits of `CampaignTally.judges`, and where a comparison's tally counts their answers.
BITS = {Judgment.JudgeKind.PERSON: 1, Judgment.JudgeKind.SIMULATION: 2, Judgment.JudgeKind.AI: 4}
COUNTS = {
    Judgment.JudgeKind.PERSON: "people",
    Judgment.JudgeKind.SIMULATION: "simulations",
    Judgment.JudgeKind.AI: "ais",
}
LOOKED_BACK = 14  # days whose pace is taken to go on


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


def recent_answers(days: dict[date, Work], today: date) -> list[float]:
    """Answers on each of the last whole days, none left out; from the first day of work on."""
    first = max(min(days), today - timedelta(days=LOOKED_BACK))
    span = (today - first).days
    known = (days.get(first + timedelta(days=n)) for n in range(span))
    return [float(work.answers) if work else 0.0 for work in known]


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


@dataclass(frozen=True)
class Asked:
    """What a campaign asks about, and how far that is."""

    comparisons: int  # with slots: a group by its leading one
    complete: int  # of them those with no open slot
    open: int  # slots
    skips: int
    imported: int  # judgments from files
    from_files: int  # comparisons with such judgments


def asked(campaign: Campaign) -> Asked:
    sums = ("asked", "complete", "open", "skips", "imported", "from_files")
    found = CampaignTally.objects.filter(campaign=campaign).aggregate(**{n: Sum(n) for n in sums})
    return Asked(*(found[name] or 0 for name in sums))


def judged_comparisons(campaign: Campaign, kinds: Iterable[str]) -> int:
    """Comparisons with at least one answer that is data, by these kinds of judge.

    From tallies, less those that nobody judged but labelers whose judgments are held back.
    """
    kinds = list(kinds)
    bits = sum(BITS[Judgment.JudgeKind(kind)] for kind in kinds)
    of_these = [judges for judges in range(1, 8) if judges & bits]
    judged = CampaignTally.objects.filter(campaign=campaign, judges__in=of_these)
    return (judged.aggregate(total=Sum("judged"))["total"] or 0) - _by_held_alone(campaign, kinds)


def _by_held_alone(campaign: Campaign, kinds: list[str]) -> int:
    """Begins with comparisons that no more judged than are held back: mostly they are few."""
    held = list(
        Hold.objects.filter(campaign=campaign, lifted_at__isnull=True).values_list(
            "labeler", flat=True
        )
    )
    if not held:
        return 0
    counts = [f"comparison__tally__{COUNTS[Judgment.JudgeKind(kind)]}" for kind in kinds]
    few = {f"{count}__lte": len(held) for count in counts}
    if len(counts) == 1:
        few[f"{counts[0]}__gte"] = 1  # not those that wait, which may be many
    return (
        standing_judgments(campaign, kinds)
        .filter(labeler__in=held, comparison__tally__campaign=campaign, **few)
        .values("comparison")
        .annotate(theirs=Count("id"), all=sum(map(F, counts), Value(0)))
        .filter(theirs=F("all"))
        .count()
    )
