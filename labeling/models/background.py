from datetime import datetime, timedelta
from typing import Any, Self

from celery import current_app
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone


class QueuedWork(models.Model):
    """Something that one worker at a time works on: queued -> running -> one of several ends.

    The row is the truth. The broker only carries its number, and may lose or repeat it. Subclasses
    have a `status` with at least "queued" and "running".
    """

    class Meta:
        abstract = True

    task_name: str  # the Celery task that does it, given the row's primary key
    silence: timedelta  # after so much of it the worker counts as dead
    sign_of_life: str  # the field that says when the worker was last heard of
    status: Any

    @property
    def is_active(self) -> bool:
        """Whether it was asked for and has not ended."""
        return self.status in ("queued", "running")

    def enqueue(self) -> None:
        """Tell a worker once the row is committed.

        By name, so that models need not know tasks. With the broker down the row stays queued and
        the beat enqueues it later, hence no error here.
        """
        transaction.on_commit(lambda: current_app.send_task(self.task_name, [self.pk]), robust=True)

    @classmethod
    def claimable(cls, now: datetime) -> models.QuerySet[Self]:
        """What nobody works on, oldest first: queued, or silent so long that its worker died."""
        silent = {f"{cls.sign_of_life}__lt": now - cls.silence}
        waiting = Q(status="queued") | Q(status="running", **silent)
        return cls._default_manager.filter(waiting).order_by("id")

    def claim(self, now: datetime) -> bool:
        """Take it over; false when another worker has it (a broker may deliver twice)."""
        begun = {"status": "running", self.sign_of_life: now, **self.begun(now)}
        taken = type(self).claimable(now).filter(pk=self.pk).update(**begun)
        if taken:
            self.refresh_from_db()
        return bool(taken)

    def begun(self, now: datetime) -> dict[str, Any]:
        """What else a worker changes of the row by taking it over."""
        return {}


class BackgroundWork(QueuedWork):
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

    silence = timedelta(minutes=30)  # longer than any of this takes
    sign_of_life = "started_at"

    def ended(self, now: datetime, **values: object) -> None:
        """Store what became of it."""
        for name, value in {**values, "finished_at": now}.items():
            setattr(self, name, value)
        self.save(update_fields=[*values, "finished_at"])


def is_under_way(work: BackgroundWork | None) -> bool:
    """Whether it was asked for and has not ended."""
    return work is not None and work.is_active
