from datetime import datetime, timedelta
from typing import Self

from celery import current_app
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

# Longer than any of this takes; a worker that is silent for so long has died.
LOST_AFTER = timedelta(minutes=30)


class BackgroundWork(models.Model):
    """Something that takes too long for a page: asked for there, done by a worker."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"  # queued -> running, by one worker
        DONE = "done"  # running -> done, with what it was for
        FAILED = "failed"  # running -> failed, with the reason

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="%(class)s_status_is_known",
                condition=Q(status__in=["queued", "running", "done", "failed"]),
            ),
            models.CheckConstraint(
                name="%(class)s_fails_with_a_reason",
                condition=~Q(status="failed") | ~Q(error=""),
            ),
        ]

    task_name: str  # the Celery task that does it, given the row's primary key

    @property
    def under_way(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)

    def enqueue(self) -> None:
        """Tell a worker once the row is committed; with the broker down, the beat does it later."""
        transaction.on_commit(lambda: current_app.send_task(self.task_name, [self.pk]), robust=True)

    @classmethod
    def claimable(cls, now: datetime) -> models.QuerySet[Self]:
        """What nobody works on: queued, or begun so long ago that the worker died."""
        return cls._default_manager.filter(
            Q(status=cls.Status.QUEUED)
            | Q(status=cls.Status.RUNNING, started_at__lt=now - LOST_AFTER)
        )

    def claim(self, now: datetime) -> bool:
        """Take it over; false when another worker has it (a broker may deliver twice)."""
        taken = (
            type(self)
            .claimable(now)
            .filter(pk=self.pk)
            .update(status=self.Status.RUNNING, started_at=now)
        )
        if taken:
            self.refresh_from_db()
        return bool(taken)

    def ended(self, now: datetime, **values: object) -> None:
        """Store what became of it."""
        for name, value in {**values, "finished_at": now}.items():
            setattr(self, name, value)
        self.save(update_fields=[*values, "finished_at"])


def is_under_way(work: BackgroundWork | None) -> bool:
    """Whether it was asked for and has not ended."""
    return work is not None and work.under_way
