from django.db import models

from labeling.models import Campaign, Policy, Snapshot
from rewardmodel.runs import RunMetric, TrainingRun


class RewardModel(TrainingRun):
    """A judge trained on one snapshot: reads a conversation and a response, gives a number."""

    program = "rewardmodel.learning"
    task_name = "rewardmodel.tasks.train_reward_model"

    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="reward_models")
    # Whose weights the trunk starts from.
    base = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="reward_models")

    def __str__(self) -> str:
        return f"reward model {self.pk}"

    @property
    def campaign(self) -> Campaign:
        return self.snapshot.campaign


class RewardModelMetric(RunMetric):
    run = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="metrics")

    class Meta(RunMetric.Meta):
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="reward_model_step_once"),
        ]
