from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign
from labeling.models.comparisons import Comparison


class ReviewItem(models.Model):
    """A pair that a reviewer should look at, and why.

    What the reviewer decides is a judgment of its own kind (purpose "review"): no vote among
    others, but the pair's label. Whatever else is known of the pair is shown after the decision.
    """

    class Reason(models.TextChoices):
        DISAGREEMENT = "disagreement", _("Labelers disagree")
        UNSURE = "unsure", _("Consensus is unsure")
        SURPRISE = "surprise", _("The reward model is surprised")
        SKIPPED = "skipped", _("Skipped")
        FLAGGED = "flagged", _("Flagged")

    # The comparison's own, held by a foreign key over both: the queue is found by an index.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="review_items", db_index=False
    )
    comparison = models.ForeignKey(
        Comparison, on_delete=models.PROTECT, related_name="review_items"
    )
    reason = models.CharField(max_length=12, choices=Reason)
    weight = models.FloatField()  # within a reason, the largest comes first
    # Of a surprise: which reward model, and how far its score for the other one is ahead.
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)  # decided or dismissed
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    dismissed = models.BooleanField(default=False)  # closed without a decision

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "reason"], name="pair_is_reviewed_once_for_a_reason"
            ),
            models.CheckConstraint(
                name="review_reason_is_known",
                condition=Q(
                    reason__in=["disagreement", "unsure", "surprise", "skipped", "flagged"]
                ),
            ),
            models.CheckConstraint(
                name="review_is_closed_by_someone",
                condition=Q(closed_at__isnull=True, closed_by__isnull=True, dismissed=False)
                | Q(closed_at__isnull=False, closed_by__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "reason", "-weight"],
                name="review_waiting",
                condition=Q(closed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"review of {self.comparison_id}: {self.reason}"
