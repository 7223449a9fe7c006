from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, Policy
from rewardmodel.models import RewardModel
from rewardmodel.runs import RunMetric, TrainingRun


class PolicyRun(TrainingRun):
    """How a policy was made: PPO from a parent, guided by a reward model."""

    titled = _("PPO run %(number)s")
    program = "rlhf.learning"
    task_name = "rlhf.tasks.train_policy"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="policy_runs")
    parent = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="runs_from")
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.PROTECT, related_name="policy_runs"
    )
    # Scores the held-out answers too and teaches nothing: what pleases only the model that is
    # followed shows in the difference. Several heads of one reward model are one reward model.
    held_out_model = models.ForeignKey(
        RewardModel,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="policy_runs_checked",
    )
    # The version it made; empty until it succeeds.
    policy = models.OneToOneField(
        Policy, null=True, blank=True, on_delete=models.PROTECT, related_name="made_by"
    )

    class Meta(TrainingRun.Meta):
        constraints = [
            *TrainingRun.Meta.constraints,
            models.CheckConstraint(
                name="policy_run_is_checked_by_a_model_it_does_not_follow",
                condition=models.Q(held_out_model__isnull=True)
                | ~models.Q(held_out_model=models.F("reward_model")),
            ),
        ]

    def __str__(self) -> str:
        return f"PPO run {self.pk}"


class PolicyRunMetric(RunMetric):
    run = models.ForeignKey(PolicyRun, on_delete=models.CASCADE, related_name="metrics")

    class Meta(RunMetric.Meta):
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="policy_run_step_once"),
        ]


class Steering(models.Model):
    """An event: what an engineer changed of a run while it went, from its next update on."""

    run = models.ForeignKey(PolicyRun, on_delete=models.PROTECT, related_name="steerings")
    number = models.PositiveSmallIntegerField()  # 1, 2, ... within the run
    kl_coef = models.FloatField(null=True)  # score given up per nat away from the reference
    finish = models.BooleanField(default=False)  # end, and keep what was learned
    steered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="steering_numbered_once_a_run"),
            models.CheckConstraint(
                name="steering_changes_one_thing",
                condition=models.Q(kl_coef__isnull=False, finish=False)
                | models.Q(kl_coef__isnull=True, finish=True),
            ),
            models.CheckConstraint(
                name="steering_kl_coef_in_range",
                condition=models.Q(kl_coef__isnull=True)
                | models.Q(kl_coef__gte=0, kl_coef__lte=1000),
            ),
            models.UniqueConstraint(
                fields=["run"],
                condition=models.Q(finish=True),
                name="steering_finishes_a_run_once",
            ),
        ]

    def __str__(self) -> str:
        return f"change {self.number} of {self.run}"


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
