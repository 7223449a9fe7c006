from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models import Campaign, Policy
from rewardmodel.models import RewardModel
from rewardmodel.runs import RunMetric, TrainingRun


class PolicyRun(TrainingRun):
    """How a policy was made: PPO from a parent, guided by a reward model."""

    program = "rlhf.learning"
    task_name = "rlhf.tasks.train_policy"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="policy_runs")
    parent = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="runs_from")
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.PROTECT, related_name="policy_runs"
    )
    # The version it made; empty until it succeeds.
    policy = models.OneToOneField(
        Policy, null=True, blank=True, on_delete=models.PROTECT, related_name="made_by"
    )

    def __str__(self) -> str:
        return f"PPO run {self.pk}"


class PolicyRunMetric(RunMetric):
    run = models.ForeignKey(PolicyRun, on_delete=models.CASCADE, related_name="metrics")

    class Meta(RunMetric.Meta):
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="policy_run_step_once"),
        ]


class Promotion(models.Model):
    """An event: from now on this version is its line's current policy.

    Rolling back is one more promotion, of the version before.
    """

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="promotions")
    reason = models.CharField(max_length=300)
    promoted_by = models.ForeignKey(  # empty: the gate decided without a person
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.policy} promoted"


class ServingSlot(models.Model):
    """Which policy an inference server of the embedded set-up should serve."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    policy = models.OneToOneField(Policy, on_delete=models.PROTECT, related_name="slot")

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"slot {self.number}: {self.policy}"
