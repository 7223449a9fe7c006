from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.background import QueuedWork
from labeling.models.campaigns import Campaign


class PromptFile(QueuedWork):
    """A file of prompts on its way into a campaign: read in the background, all of it or nothing.

    Its bytes wait in the artifact store until it has ended.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waits")
        RUNNING = "running", _("is read")  # queued -> running, by one worker
        DONE = "done", _("taken in")  # running -> done, with what came of it
        FAILED = "failed", _("refused")  # running -> failed, with the row and the field at fault
        STOPPED = "stopped", _("stopped")  # queued or running -> stopped, by a person

    class Spread(models.TextChoices):
        AS_IN_FILE = "as_in_file", _("in the file's own shares")
        EVENLY = "evenly", _("the same number of each category")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="prompt_files")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)  # of its bytes
    size = models.PositiveBigIntegerField()  # bytes
    artifact_url = models.CharField(max_length=500)

    prompt_field = models.CharField(max_length=60, default="prompt")
    category_field = models.CharField(max_length=60, default="category")
    split = models.CharField(max_length=40, blank=True)  # of a folder's files; empty: all of them
    sample_size = models.PositiveIntegerField(null=True, blank=True)  # empty: every row
    spread = models.CharField(max_length=12, choices=Spread, default=Spread.AS_IN_FILE)

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    rows_checked = models.PositiveIntegerField(default=0)
    rows = models.PositiveIntegerField(null=True, blank=True)  # known once all are checked
    prompts = models.PositiveIntegerField(null=True, blank=True)  # of the campaign thereafter
    pairs = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    uploaded_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(null=True, blank=True)  # when a worker last told of it
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="prompt_file_status_is_known",
                condition=Q(status__in=["queued", "running", "done", "failed", "stopped"]),
            ),
            models.CheckConstraint(
                name="prompt_file_spread_is_known",
                condition=Q(spread__in=["as_in_file", "evenly"]),
            ),
            models.CheckConstraint(
                name="prompt_file_sample_holds_something",
                condition=Q(sample_size__isnull=True) | Q(sample_size__gte=1),
            ),
            models.CheckConstraint(
                name="prompt_file_fails_with_a_reason", condition=~Q(status="failed") | ~Q(error="")
            ),
            models.CheckConstraint(
                name="prompt_file_taken_in_says_what_came_of_it",
                condition=~Q(status="done")
                | Q(
                    rows__isnull=False,
                    prompts__isnull=False,
                    pairs__isnull=False,
                    prompts__lte=F("rows"),
                ),
            ),
            models.CheckConstraint(
                name="prompt_file_ends_at_a_time",
                condition=Q(status__in=["queued", "running"], ended_at__isnull=True)
                | Q(status__in=["done", "failed", "stopped"], ended_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["campaign", "digest"],
                name="prompt_file_read_once_at_a_time",
                condition=Q(status__in=["queued", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    task_name = "labeling.tasks.read_prompt_file"
    # Longer than storing takes, which happens in one transaction and tells of nothing on the way.
    silence = timedelta(minutes=30)
    sign_of_life = "seen_at"

    def begun(self, now: datetime) -> dict[str, Any]:
        return {"rows_checked": 0, "rows": None}

    def told(self, now: datetime, **values: int) -> bool:
        """Note how far the reading is; false once somebody has stopped it."""
        return bool(
            PromptFile.objects.filter(pk=self.pk, status=self.Status.RUNNING).update(
                seen_at=now, **values
            )
        )
