from celery import shared_task
from django.utils import timezone

from labeling.models import Report
from labeling.services import reports


@shared_task
def compute_report(pk: int) -> None:
    """Compute one report, unless another worker does so already."""
    report = Report.objects.select_related("campaign").filter(pk=pk).first()
    if report is not None and report.claim(timezone.now()):
        reports.compute(report)


@shared_task
def request_stale_reports() -> None:
    """Keep the reports that somebody once asked for near the judgments that came since."""
    reports.request_stale(timezone.now())
