import uuid
from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign


class EventKind(models.TextChoices):
    """What others are told of."""

    JUDGMENT = "judgment.recorded", _("a judgment was given, changed or taken back")
    COMPARISON = "comparison.completed", _("a pair has all its judgments")
    SNAPSHOT = "snapshot.taken", _("a snapshot was taken")
    TRAINING = "training.finished", _("a training run has ended")
    ALARM = (
        "alarm.raised",
        _(
            "an alarm: a labeler stands out, a campaign paused by itself, or a policy pleases only "
            "the reward model that it followed"
        ),
    )


# What comes a thousand times a day is for programs, not for letters.
MAILED = [EventKind.SNAPSHOT, EventKind.TRAINING, EventKind.ALARM]


class Webhook(models.Model):
    """An address that is told of events, signed with a secret of its own.

    The secret follows from `key` and the installation's SECRET_KEY, so that it lies nowhere.
    """

    campaign = models.ForeignKey(  # empty: of all campaigns
        Campaign, null=True, blank=True, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.URLField(max_length=500)
    kinds = ArrayField(models.CharField(max_length=40, choices=EventKind))
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="webhook_is_told_of_something", condition=Q(kinds__len__gte=1)
            ),
        ]
        indexes = [
            models.Index(fields=["campaign"], name="webhook_active", condition=Q(active=True))
        ]

    def __str__(self) -> str:
        return self.url


class MailWish(models.Model):
    """A user wants letters about one kind of event, in the campaigns that they manage."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_wishes"
    )
    kind = models.CharField(max_length=40, choices=EventKind)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="mail_wished_for_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} hears of {self.kind}"


class Delivery(models.Model):
    """An event on its way to one webhook or one reader: written in the transaction of the event.

    So nothing is told that did not happen, and nothing that happened is left untold.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("on its way")  # also between two attempts
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")  # after the last attempt

    webhook = models.ForeignKey(
        Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    event = models.UUIDField()  # the same for all who are told, and in a replay
    kind = models.CharField(max_length=40, choices=EventKind)
    payload = models.JSONField()
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)  # the next attempt, or the lease of one
    replays = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="delivery_to_a_webhook_or_a_reader",
                condition=Q(webhook__isnull=False, reader__isnull=True)
                | Q(webhook__isnull=True, reader__isnull=False),
            ),
            models.CheckConstraint(
                name="delivery_status_is_known",
                condition=Q(status__in=["queued", "delivered", "failed"]),
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(status="queued")),
            models.Index(fields=["webhook", "-id"], name="delivery_of_a_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook or self.reader}"


def deliver_soon() -> None:
    """Wake a worker once the events are committed; with the broker down the beat does it."""
    transaction.on_commit(
        lambda: current_app.send_task("labeling.tasks.deliver_events"), robust=True
    )


# Waits before the second attempt and those after it: a day in all, longer than most outages.
PAUSES = [
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=17),
]


class DeliveryAttempt(models.Model):
    """One try to deliver, and what came of it; never changed."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField()
    status = models.PositiveSmallIntegerField(null=True)  # of HTTP; empty: nobody answered
    answer = models.CharField(max_length=500, blank=True)  # its beginning, or why there is none

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.delivery} at {self.at:%Y-%m-%d %H:%M}"
