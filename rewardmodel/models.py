from django.conf import settings
from django.db import models
from django.utils import timezone

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


class Appointment(models.Model):
    """An event: from now on this reward model is its campaign's current one.

    Going back is one more appointment, of the model before.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="appointments")
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.PROTECT, related_name="appointments"
    )
    appointed_by = models.ForeignKey(  # empty: the gate, without a person
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.reward_model} appointed"
