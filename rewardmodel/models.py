from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, Policy, Snapshot
from rewardmodel.runs import RunMetric, TrainingRun


class RewardModel(TrainingRun):
    """A judge trained on one snapshot: reads a conversation and a response, gives a number."""

    titled = _("Reward model %(number)s")
    program = "rewardmodel.learning"
    task_name = "rewardmodel.tasks.train_reward_model"

    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="reward_models")
    # Whose weights the trunk starts from.
    base = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="reward_models")
    # Learns from the pairs that the campaign's other models have held out, and from no others, so
    # that it can check what followed one of them; never the campaign's current model itself.
    learns_held_out = models.BooleanField(default=False)

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


class ScoreRequest(models.Model):
    """Responses that somebody waits to have scored; gone once the answer was read."""

    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="+")
    rows = models.JSONField()  # each with prompt (messages) and response
    answered = models.BooleanField(default=False)
    scores = models.JSONField(default=list)  # as many, each with score and uncertainty
    refusal = models.TextField(blank=True)  # why there are none
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    def __str__(self) -> str:
        return f"request {self.pk} of {self.reward_model}"


class Suite(models.Model):
    """Pairs from elsewhere whose better response is known: a measure for every reward model."""

    name = models.CharField(max_length=80, unique=True)
    digest = models.CharField(max_length=64, unique=True)  # of its rows
    artifact_url = models.CharField(max_length=500)
    pairs = models.PositiveIntegerField()
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="suite_has_a_pair", condition=models.Q(pairs__gt=0)),
        ]

    def __str__(self) -> str:
        return self.name


class SuiteResult(models.Model):
    """How often a reward model prefers the better response of a suite."""

    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="results")
    reward_model = models.ForeignKey(
        RewardModel, on_delete=models.CASCADE, related_name="suite_results"
    )
    # accuracy, low, high and pairs, and the same of each of its subsets
    figures = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["suite__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["suite", "reward_model"], name="suite_measured_once_by_a_model"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reward_model} on {self.suite}"
