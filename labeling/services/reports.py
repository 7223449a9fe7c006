"""What takes long to find out about a campaign: asked for, computed in the background, kept."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from labeling.models import Campaign, EventKind, Report, User
from labeling.selectors.agreement import agreement_figures
from labeling.selectors.bias import bias_figures
from labeling.selectors.meetings import meeting_figures
from labeling.selectors.prompts import prompt_figures
from labeling.selectors.ratings import policy_figures
from labeling.selectors.reports import last_judgment, latest_report
from labeling.services.events import announce
from labeling.services.reviews import fill_queue

FIGURES: dict[str, Callable[[Campaign, str], dict[str, Any]]] = {
    Report.Subject.AGREEMENT: agreement_figures,
    Report.Subject.PROMPTS: prompt_figures,
    Report.Subject.MEETINGS: meeting_figures,
    Report.Subject.LABELERS: bias_figures,
    Report.Subject.POLICIES: policy_figures,
    Report.Subject.REVIEW: fill_queue,
}

# Of a report on labelers: numbers that are not measures of somebody.
NO_MEASURES = {"answers", "gold_weeks"}


@transaction.atomic
def request_report(*, campaign: Campaign, subject: str, judges: str, by: User | None) -> Report:
    """Ask for a report anew; while one is under way, that one is returned."""
    report, created = Report.objects.get_or_create(
        campaign=campaign,
        subject=subject,
        judges=judges,
        status__in=[Report.Status.QUEUED, Report.Status.RUNNING],
        defaults={"requested_by": by, "status": Report.Status.QUEUED},
    )
    if created:
        report.enqueue()
    return report


def compute(report: Report) -> None:
    """Find the figures of a report that was claimed; it takes the place of those before it."""
    newest = last_judgment(report.campaign, report.judges)
    before = latest_report(report.campaign, report.subject, report.judges)
    try:
        with transaction.atomic():
            figures = FIGURES[report.subject](report.campaign, report.judges)
    except Exception as problem:
        report.ended(
            timezone.now(),
            status=Report.Status.FAILED,
            error=f"{type(problem).__name__}: {problem}",
        )
        raise
    with transaction.atomic():
        report.ended(
            timezone.now(), status=Report.Status.DONE, figures=figures, last_judgment=newest
        )
        if report.subject == Report.Subject.LABELERS:
            _announce_alarms(report, before)
    Report.objects.filter(
        campaign=report.campaign,
        subject=report.subject,
        judges=report.judges,
        pk__lt=report.pk,
    ).delete()


def _announce_alarms(report: Report, before: Report | None) -> None:
    """Tell of whoever stands out now and did not in the report before."""
    known = alarms_in(before.figures) if before else set()
    for measure, who in sorted(alarms_in(report.figures) - known):
        announce(
            EventKind.ALARM,
            report.campaign,
            {"alarm": "labeler", "measure": measure, "judges": who},
            timezone.now(),
            reverse("labeling:dashboard", args=[report.campaign_id, "labelers"]),
        )


def alarms_in(figures: dict[str, Any]) -> set[tuple[str, str]]:
    """The measures of a report on labelers that stand out, and whose they are."""
    found = set()
    for name, measures in figures.items():
        if name == "copies":
            found |= {(name, f"{p['one']} {p['other']}") for p in measures if p["alarm"]}
        elif name not in NO_MEASURES:
            found |= {(name, who) for who, measure in measures.items() if measure["alarm"]}
    return found


def request_stale(now: datetime) -> int:
    """Ask for what pages show and newer judgments have overtaken, and for what was lost."""
    for report in Report.claimable(now):
        report.enqueue()
    asked = 0
    of_judgments = Report.objects.exclude(subject=Report.Subject.PROMPTS)
    for report in of_judgments.filter(
        status=Report.Status.DONE, campaign__status=Campaign.Status.OPEN
    ).select_related("campaign"):
        if last_judgment(report.campaign, report.judges) > report.last_judgment:
            request_report(
                campaign=report.campaign, subject=report.subject, judges=report.judges, by=None
            )
            asked += 1
    return asked
