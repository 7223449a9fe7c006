from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.judgments import Judgment


class Snapshot(models.Model):
    """Judgments frozen for training: a file whose hash is its name, and how it was made."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="snapshots")
    digest = models.CharField(max_length=64)  # of the file's bytes
    artifact_url = models.CharField(max_length=500)
    recipe = models.JSONField()  # filters, aggregation and split that give these rows again
    train_pairs = models.PositiveIntegerField()
    test_pairs = models.PositiveIntegerField()
    judgments = models.ManyToManyField(
        Judgment, through="SnapshotJudgment", related_name="snapshots"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "digest"], name="snapshot_content_once_per_campaign"
            ),
        ]

    def __str__(self) -> str:
        return f"snapshot {self.digest[:8]}"


class SnapshotJudgment(models.Model):
    """A judgment that shaped a snapshot: the link by which lineage is followed."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="+")
    judgment = models.ForeignKey(Judgment, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["snapshot", "judgment"], name="judgment_once_in_a_snapshot"
            ),
        ]

    def __str__(self) -> str:
        return f"judgment {self.judgment_id} in {self.snapshot_id}"
