from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, DemonstrationSnapshot, Policy
from rewardmodel.runs import RunMetric, TrainingRun


class SFTRun(TrainingRun):
    """How a policy was made: a parent that learned to answer as demonstrations do."""

    titled = _("SFT run %(number)s")
    program = "rlhf.learning.sft"
    task_name = "rlhf.tasks.fine_tune"

    snapshot = models.ForeignKey(
        DemonstrationSnapshot, on_delete=models.PROTECT, related_name="sft_runs"
    )
    parent = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="sft_runs_from")
    # The version it made; empty until it succeeds.
    policy = models.OneToOneField(
        Policy, null=True, blank=True, on_delete=models.PROTECT, related_name="taught_by"
    )
    # The blind comparison of the new policy with its parent.
    duel = models.OneToOneField(
        Campaign, null=True, blank=True, on_delete=models.PROTECT, related_name="duel_of_sft"
    )

    def __str__(self) -> str:
        return f"SFT run {self.pk}"


class SFTRunMetric(RunMetric):
    run = models.ForeignKey(SFTRun, on_delete=models.CASCADE, related_name="metrics")

    class Meta(RunMetric.Meta):
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="sft_run_step_once"),
        ]
