"""How a campaign's prompts are shared out among the lines of its pair plan."""

from dataclasses import dataclass

from django.db.models import Count

from labeling.models import Campaign, PlannedMeeting
from rlhf.models import ResponseRequest


def plan_of(campaign: Campaign) -> list[PlannedMeeting]:
    """The lines that prompts are asked by from now on; none: the campaign has no plan."""
    lines = campaign.planned_meetings.filter(left_out_at__isnull=True)
    return list(lines.select_related("one__policy", "other__policy"))


def prompts_by_line(campaign: Campaign, arm: str | None = None) -> dict[PlannedMeeting, int]:
    """How many prompts each line of the plan has been given so far, in one arm or in all."""
    given = ResponseRequest.objects.filter(campaign=campaign, meeting__isnull=False)
    counts = dict(
        (given if arm is None else given.filter(arm=arm))
        .values_list("meeting")
        .annotate(Count("prompt", distinct=True))
        .order_by()
    )
    return {line: counts.get(line.pk, 0) for line in plan_of(campaign)}


@dataclass(frozen=True)
class PlannedShare:
    """A line of a plan, the share it is meant to have, and what it has."""

    line: PlannedMeeting
    share: float
    prompts: int


def planned_shares(campaign: Campaign) -> list[PlannedShare]:
    by_line = prompts_by_line(campaign)
    whole = sum(line.weight for line in by_line)
    return [PlannedShare(line, line.weight / whole, count) for line, count in by_line.items()]
