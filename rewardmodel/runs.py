"""What every training run has in common: its row, its states and its metrics."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.background import QueuedWork

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class TrainingRun(QueuedWork):
    """A child process with a directory, and what is known of it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")  # wanted, or stopped at a checkpoint and to be resumed
        RUNNING = "running", _("Running")  # queued -> running, by exactly one worker
        SUCCEEDED = (
            "succeeded",
            _("Succeeded"),
        )  # with figures and a checkpoint
        FAILED = "failed", _("Failed")  # with the reason
        CANCELLED = "cancelled", _("Cancelled")  # queued or running -> cancelled, by a person

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    config = models.JSONField(default=dict, blank=True)  # hyper-parameters that differ from default
    figures = models.JSONField(default=dict, blank=True)  # what the finished run measured
    checkpoint = models.CharField(max_length=500, blank=True)  # address of the result
    error = models.TextField(blank=True)

    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)  # 0 until the program has counted them
    attempts = models.PositiveSmallIntegerField(default=0)  # times the program was started
    claim_key = models.UUIDField(null=True, editable=False)  # of the worker that follows it now
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="%(class)s_status_is_known",
                condition=Q(status__in=["queued", "running", "succeeded", "failed", "cancelled"]),
            ),
            models.CheckConstraint(
                name="%(class)s_fails_with_a_reason",
                condition=~Q(status="failed") | ~Q(error=""),
            ),
            models.CheckConstraint(
                name="%(class)s_succeeds_with_a_checkpoint",
                condition=~Q(status="succeeded") | ~Q(checkpoint=""),
            ),
            models.CheckConstraint(
                name="%(class)s_runs_for_one_worker",
                condition=~Q(status="running") | Q(claim_key__isnull=False),
            ),
        ]

    titled: "StrOrPromise"  # its name on pages, with %(number)s
    metrics: Any  # manager of the kind's own RunMetric rows
    program: str  # the Python module started as `python -m <program> <directory>`
    # A follower reports every second.
    silence = timedelta(seconds=60)
    sign_of_life = "heartbeat_at"

    @property
    def title(self) -> str:
        return str(self.titled % {"number": self.pk})

    @property
    def directory(self) -> Path:
        """Where the child works: config, frozen data, metrics, log, checkpoints, result."""
        return Path(settings.VAR) / "runs" / f"{self._meta.model_name}-{self.pk}"

    @property
    def time_left(self) -> timedelta | None:
        """How long the rest takes at the pace so far; None before the first step."""
        if self.status != self.Status.RUNNING or not self.step or not self.steps:
            return None
        seconds = [m.values.get("seconds") for m in self.metrics.order_by("-step")[:20]]
        known = [s for s in seconds if s]
        if not known:
            return None
        return timedelta(seconds=sum(known) / len(known) * (self.steps - self.step))

    def begun(self, now: datetime) -> dict[str, Any]:
        return {
            "claim_key": uuid.uuid4(),
            "attempts": F("attempts") + 1,
            "started_at": Coalesce("started_at", Value(now)),
        }

    def beat(self, now: datetime) -> bool:
        """Say that the run is alive; false when it was cancelled or taken away meanwhile."""
        return bool(
            type(self)
            ._default_manager.filter(
                pk=self.pk,
                claim_key=self.claim_key,
                status=self.Status.RUNNING,
                cancel_requested_at__isnull=True,
            )
            .update(heartbeat_at=now)
        )


class RunMetric(models.Model):
    """What one step of a run measured."""

    step = models.PositiveIntegerField()
    values = models.JSONField()  # name -> number

    class Meta:
        abstract = True
        ordering = ["step"]
