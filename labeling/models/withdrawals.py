from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.demonstrations import Demonstration
from labeling.models.judgments import Judgment


class Withdrawal(models.Model):
    """A labeler took their consent back: what they gave until then leaves all later data.

    Nothing is deleted: what was trained on it could not be named otherwise. Never changed.
    """

    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="withdrawals"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"withdrawal {self.pk}"


class Tombstone(models.Model):
    """One judgment or demonstration that was withdrawn. Never changed."""

    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.PROTECT, related_name="tombstones")
    judgment = models.OneToOneField(
        Judgment, null=True, on_delete=models.PROTECT, related_name="tombstone"
    )
    demonstration = models.OneToOneField(
        Demonstration, null=True, on_delete=models.PROTECT, related_name="tombstone"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tombstone_of_one_thing",
                condition=Q(judgment__isnull=False, demonstration__isnull=True)
                | Q(judgment__isnull=True, demonstration__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"tombstone {self.pk}"
