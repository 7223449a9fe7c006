from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models.background import BackgroundWork
from labeling.models.campaigns import Campaign
from labeling.models.files import FrozenData
from labeling.models.judgments import Judgment


class Snapshot(FrozenData):
    """Judgments frozen for training: a file whose hash is its name, and how it was made."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="snapshots")
    train_pairs = models.PositiveIntegerField()
    test_pairs = models.PositiveIntegerField()
    judgments = models.ManyToManyField(
        Judgment, through="SnapshotJudgment", related_name="snapshots"
    )

    class Meta(FrozenData.Meta):
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


class SnapshotOrder(BackgroundWork):
    """A snapshot whose labels take a worker to find: judges are estimated from each other."""

    class Method(models.TextChoices):
        """How the answers to one pair become its label: statistics/aggregation.py."""

        SHARES = "shares", _("Shares of votes")
        MAJORITY = "majority", _("Majority")
        SKILL = "skill", _("Bradley-Terry with skill, side bias and ties")
        DAWID_SKENE = "dawid_skene", _("Dawid-Skene")
        MACE = "mace", _("MACE")
        GLAD = "glad", _("GLAD")

    task_name = "labeling.tasks.fulfil_snapshot_order"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="snapshot_orders")
    judge_kinds = ArrayField(models.CharField(max_length=10))
    method = models.CharField(max_length=12, choices=Method)
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta(BackgroundWork.Meta):
        constraints = [
            *BackgroundWork.Meta.constraints,
            models.CheckConstraint(
                name="snapshotorder_done_with_a_snapshot",
                condition=~Q(status="done") | Q(snapshot__isnull=False),
            ),
            models.CheckConstraint(
                name="snapshotorder_method_is_known",
                condition=Q(
                    method__in=["shares", "majority", "skill", "dawid_skene", "mace", "glad"]
                ),
            ),
            models.UniqueConstraint(
                fields=["campaign"],
                name="one_snapshot_order_under_way_in_a_campaign",
                condition=Q(status__in=["queued", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"snapshot by {self.method} of {self.campaign}"
