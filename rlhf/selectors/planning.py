"""What a campaign needs and what its next labels are worth, from what is known of it."""

from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from django.utils import timezone

from labeling.models import Campaign, Judgment, Policy, Report
from labeling.selectors.meetings import meeting_figures
from labeling.selectors.reports import latest_report
from labeling.selectors.tallies import recent_answers, work_by_day
from labeling.statistics.planning import Curve, width_after
from rewardmodel.models import RewardModel

MORE = 100  # labels that "the next ones" are
PEOPLE = Judgment.JudgeKind.PERSON


@dataclass(frozen=True)
class Measured:
    """A reward model's learning curve, and the model it is of."""

    run: RewardModel
    curve: Curve

    def own(self, campaign: Campaign) -> bool:
        return self.run.snapshot.campaign_id == campaign.pk


def measured_curve(campaign: Campaign) -> Measured | None:
    """The newest curve of this campaign, or else of any: before launch there is no own one."""
    finished = RewardModel.objects.filter(
        status=RewardModel.Status.SUCCEEDED,
        learns_held_out=False,
        figures__report__learning_curve__has_key="doubling",
    ).select_related("snapshot__campaign", "base")
    run = finished.filter(snapshot__campaign=campaign).first() or finished.first()
    if run is None:
        return None
    found = run.figures["report"]["learning_curve"]
    last = found["points"][-1]
    return Measured(
        run,
        Curve(
            max(1, int(last["pairs"])), last["accuracy"], found["doubling"], found["doubling_se"]
        ),
    )


def measured_likeness(campaign: Campaign) -> float | None:
    """How far two judgments of one pair say the same, by the last report on agreement."""
    report = latest_report(campaign, Report.Subject.AGREEMENT, PEOPLE)
    value = report.figures["whole"]["nominal"]["value"] if report else None
    return None if value is None else max(0.0, min(1.0, float(value)))


def measured_pace(campaign: Campaign, now: datetime) -> float | None:
    """Judgments a day over the last days; None before there was a whole day of work."""
    days = work_by_day(campaign, PEOPLE)
    answers = recent_answers(days, timezone.localdate(now)) if days else []
    return mean(answers) if answers and sum(answers) else None


@dataclass(frozen=True)
class Meeting:
    """Two policies that met, how well it is known who is better, and what more labels add."""

    one: Policy
    other: Policy
    judgments: int
    pairs: int
    share: float  # of the one, ties half
    width: float  # half of its interval
    width_then: float  # after so many more labels on its pairs

    @property
    def gain(self) -> float:
        return self.width - self.width_then


def meetings(campaign: Campaign, alike: float) -> list[Meeting]:
    """Of different policies, by the last report; those known worst first."""
    report = latest_report(campaign, Report.Subject.MEETINGS, PEOPLE)
    return meetings_of(report.figures, campaign.overlap, alike) if report else []


def meetings_now(campaign: Campaign, alike: float) -> list[Meeting]:
    """The same from the judgments themselves: for work in the background."""
    return meetings_of(meeting_figures(campaign, PEOPLE), campaign.overlap, alike)


def meetings_of(figures: dict, overlap: int, alike: float) -> list[Meeting]:
    rows = [row for row in figures["meetings"] if row["one"] != row["other"]]
    policies = Policy.objects.in_bulk({row[side] for row in rows for side in ("one", "other")})
    found = []
    for row in rows:
        share = (row["wins"] + row["ties"] / 2) / row["judgments"]
        each = row["judgments"] / row["pairs"]  # judgments of a pair, which may be fewer than asked
        found.append(
            Meeting(
                policies[row["one"]],
                policies[row["other"]],
                row["judgments"],
                row["pairs"],
                share,
                _width(share, row["pairs"], each, alike),
                _width(share, row["pairs"] + MORE / overlap, each, alike),
            )
        )
    return sorted(found, key=lambda meeting: -meeting.width)


def _width(share: float, pairs: float, each: float, alike: float) -> float:
    effect = 1 + (each - 1) * alike
    return width_after(share, pairs * each / effect, 1, 0.0)
