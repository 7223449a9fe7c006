from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.judgments import Judgment

# Longer than any report takes; a worker that is silent for so long has died.
LOST_AFTER = timedelta(minutes=30)


class Report(models.Model):
    """What was found about a campaign's judgments at one time, because it takes long to find.

    Pages show the last one that is done, with its age.
    """

    class Subject(models.TextChoices):
        AGREEMENT = "agreement"
        LABELERS = "labelers"  # what each does whatever the pair

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"  # queued -> running, by one worker
        DONE = "done"  # running -> done, with figures
        FAILED = "failed"  # running -> failed, with the reason

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="reports")
    subject = models.CharField(max_length=12, choices=Subject)
    judges = models.CharField(max_length=10, choices=Judgment.JudgeKind)  # whose judgments
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    figures = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    last_judgment = models.BigIntegerField(default=0)  # the newest it knows of
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="report_status_is_known",
                condition=Q(status__in=["queued", "running", "done", "failed"]),
            ),
            models.CheckConstraint(
                name="report_fails_with_a_reason", condition=~Q(status="failed") | ~Q(error="")
            ),
            models.UniqueConstraint(
                fields=["campaign", "subject", "judges"],
                name="report_asked_for_once_at_a_time",
                condition=Q(status__in=["queued", "running"]),
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "subject", "judges", "-id"], name="report_latest")
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.campaign}"

    @property
    def under_way(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    def enqueue(self) -> None:
        """Tell a worker once the row is committed; with the broker down, the beat does it later."""
        transaction.on_commit(
            lambda: current_app.send_task("labeling.tasks.compute_report", [self.pk]), robust=True
        )

    @classmethod
    def claimable(cls, now: datetime) -> models.QuerySet["Report"]:
        """Reports nobody works on: queued, or begun so long ago that their worker died."""
        return Report.objects.filter(
            Q(status=cls.Status.QUEUED)
            | Q(status=cls.Status.RUNNING, started_at__lt=now - LOST_AFTER)
        )

    def claim(self, now: datetime) -> bool:
        """Take it over; false when another worker has it (a broker may deliver twice)."""
        taken = (
            Report.claimable(now)
            .filter(pk=self.pk)
            .update(status=self.Status.RUNNING, started_at=now)
        )
        if taken:
            self.refresh_from_db()
        return bool(taken)
