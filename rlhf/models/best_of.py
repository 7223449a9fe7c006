from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, DemonstrationSnapshot, Policy
from rewardmodel.models import RewardModel
from rewardmodel.runs import RunMetric, TrainingRun


class BestOfRun(TrainingRun):
    """Several answers of a policy to each prompt of a campaign, and the one a judge likes best."""

    titled = _("Best-of-n run %(number)s")
    program = "rlhf.generation.best_of"
    task_name = "rlhf.tasks.choose_best"

    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.PROTECT, related_name="best_of_runs"
    )
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="best_of_runs")
    # The best answers as demonstrations, once somebody froze them.
    snapshot = models.OneToOneField(
        DemonstrationSnapshot,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="best_of_run",
    )

    class Meta(TrainingRun.Meta):
        constraints = [
            *TrainingRun.Meta.constraints,
            models.CheckConstraint(
                name="best_answers_are_frozen_once_they_are_there",
                condition=Q(snapshot__isnull=True) | Q(status="succeeded"),
            ),
        ]

    def __str__(self) -> str:
        return f"best-of-n run {self.pk}"

    @property
    def campaign(self) -> Campaign:
        return self.reward_model.snapshot.campaign


class BestOfRunMetric(RunMetric):
    run = models.ForeignKey(BestOfRun, on_delete=models.CASCADE, related_name="metrics")

    class Meta(RunMetric.Meta):
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="best_of_run_step_once"),
        ]
