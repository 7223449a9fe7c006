"""What a campaign's choice of pairs rests on."""

from labeling.models import Campaign, Judgment, PairRule, PlannedMeeting
from labeling.selectors.meetings import meeting_figures
from labeling.statistics.information import Met
from rewardmodel.models import RewardModel


def judge_of(campaign: Campaign) -> RewardModel | None:
    """The newest reward model of a campaign that can say how unsure it is: by several heads.

    Heads that judge an aspect each differ for another reason.
    """
    finished = RewardModel.objects.filter(
        snapshot__campaign=campaign,
        status=RewardModel.Status.SUCCEEDED,
        learns_held_out=False,
        config__heads__gte=2,
    )
    return finished.exclude(config__has_key="aspects").first()


def waits_for_judge(campaign: Campaign) -> bool:
    """Whether the campaign's pairs are chosen by a reward model, which takes a while."""
    return campaign.pair_choice == PairRule.UNCERTAINTY and judge_of(campaign) is not None


def known_meetings(
    campaign: Campaign, plan: list[PlannedMeeting]
) -> tuple[list[Met], list[tuple[int, int]], int]:
    """What people have said of the plan's policies, its lines as places, and how many policies."""
    policies = sorted({side.policy_id for line in plan for side in (line.one, line.other)})
    places = {pk: place for place, pk in enumerate(policies)}
    lines = [(places[line.one.policy_id], places[line.other.policy_id]) for line in plan]
    met = [
        Met(
            places[row["one"]],
            places[row["other"]],
            row["wins"] + row["ties"] / 2,
            row["judgments"],
        )
        for row in meeting_figures(campaign, Judgment.JudgeKind.PERSON)["meetings"]
        if row["one"] != row["other"] and row["one"] in places and row["other"] in places
    ]
    return met, lines, len(places)
