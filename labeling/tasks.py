from celery import shared_task
from django.utils import timezone

from labeling.models import PromptFile, Report, SnapshotOrder
from labeling.services import deliveries, prompt_files, reports, snapshot_orders


@shared_task
def compute_report(pk: int) -> None:
    """Compute one report, unless another worker does so already."""
    report = Report.objects.select_related("campaign").filter(pk=pk).first()
    if report is not None and report.claim(timezone.now()):
        reports.compute(report)


@shared_task
def read_prompt_file(pk: int) -> None:
    """Take in one file of prompts, unless another worker does so already."""
    file = PromptFile.objects.select_related("campaign", "uploaded_by").filter(pk=pk).first()
    if file is not None and file.claim(timezone.now()):
        prompt_files.take_in(file)


@shared_task
def read_lost_prompt_files() -> None:
    """Files whose message the broker lost, or whose worker died."""
    for file in PromptFile.claimable(timezone.now()):
        file.enqueue()


@shared_task
def deliver_events() -> None:
    """Tell webhooks and readers what is due, until nothing is."""
    while deliveries.deliver_due(now=timezone.now()):
        pass


@shared_task
def forget_old_deliveries() -> None:
    """Keep the log of deliveries from growing without end."""
    deliveries.forget_old(now=timezone.now())


@shared_task
def request_stale_reports() -> None:
    """Keep the reports that somebody once asked for near the judgments that came since."""
    reports.request_stale(timezone.now())


@shared_task
def fulfil_snapshot_order(pk: int) -> None:
    """Make one snapshot, unless another worker does so already."""
    order = SnapshotOrder.objects.select_related("campaign").filter(pk=pk).first()
    if order is not None and order.claim(timezone.now()):
        snapshot_orders.fulfil(order)


@shared_task
def resume_snapshot_orders() -> None:
    """Ask again for snapshots whose message, or whose worker, was lost."""
    for order in SnapshotOrder.claimable(timezone.now()):
        order.enqueue()
