"""What takes long to find out about a campaign: asked for, computed in the background, kept."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.models import Campaign, Report, User
from labeling.selectors.agreement import agreement_figures
from labeling.selectors.bias import bias_figures
from labeling.selectors.ratings import policy_figures
from labeling.selectors.reports import last_judgment
from labeling.services.reviews import fill_queue

FIGURES: dict[str, Callable[[Campaign, str], dict[str, Any]]] = {
    Report.Subject.AGREEMENT: agreement_figures,
    Report.Subject.LABELERS: bias_figures,
    Report.Subject.POLICIES: policy_figures,
    Report.Subject.REVIEW: fill_queue,
}


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
    report.ended(timezone.now(), status=Report.Status.DONE, figures=figures, last_judgment=newest)
    Report.objects.filter(
        campaign=report.campaign,
        subject=report.subject,
        judges=report.judges,
        pk__lt=report.pk,
    ).delete()


def request_stale(now: datetime) -> int:
    """Ask for what pages show and newer judgments have overtaken, and for what was lost."""
    for report in Report.claimable(now):
        report.enqueue()
    asked = 0
    for report in Report.objects.filter(
        status=Report.Status.DONE, campaign__status=Campaign.Status.OPEN
    ).select_related("campaign"):
        if last_judgment(report.campaign, report.judges) > report.last_judgment:
            request_report(
                campaign=report.campaign, subject=report.subject, judges=report.judges, by=None
            )
            asked += 1
    return asked
