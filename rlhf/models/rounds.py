from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, Snapshot
from rewardmodel.models import RewardModel
from rlhf.models.policy_runs import PolicyRun


class Round(models.Model):
    """Once around the loop: collect, snapshot, reward model, PPO, compare, decide."""

    class Decision(models.TextChoices):
        PROMOTED = "promoted", _("Promoted")  # the new policy became current
        ROLLED_BACK = "rolled_back", _("Rolled back")  # the parent stays current
        ABANDONED = "abandoned", _("Abandoned")  # stopped before there was a policy to decide on

    class Stage(models.TextChoices):
        COLLECT = "collect", _("Collect")
        REWARD_MODEL = "reward_model", _("Reward model")
        POLICY = "policy", _("Policy")
        COMPARE = "compare", _("Compare")
        DECIDED = "decided", _("Decided")

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField()
    snapshot = models.ForeignKey(
        Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="rounds"
    )
    reward_model = models.ForeignKey(
        RewardModel, null=True, blank=True, on_delete=models.PROTECT, related_name="rounds"
    )
    policy_run = models.ForeignKey(
        PolicyRun, null=True, blank=True, on_delete=models.PROTECT, related_name="rounds"
    )
    # The blind comparison of the new policy with its parent.
    duel = models.OneToOneField(
        Campaign, null=True, blank=True, on_delete=models.PROTECT, related_name="duel_of"
    )
    decision = models.CharField(max_length=12, choices=Decision, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="round_number_is_unique"),
            models.UniqueConstraint(
                fields=["campaign"], name="one_open_round_per_campaign", condition=Q(decision="")
            ),
            models.CheckConstraint(
                name="round_decision_is_known",
                condition=Q(decision__in=["", "promoted", "rolled_back", "abandoned"]),
            ),
            models.CheckConstraint(
                name="round_goes_in_order",
                condition=(Q(reward_model__isnull=True) | Q(snapshot__isnull=False))
                & (Q(policy_run__isnull=True) | Q(reward_model__isnull=False))
                & (Q(duel__isnull=True) | Q(policy_run__isnull=False)),
            ),
            models.CheckConstraint(
                name="round_decided_at_a_time",
                condition=Q(decision="", decided_at__isnull=True)
                | (~Q(decision="") & Q(decided_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number} of {self.campaign}"

    @property
    def stage(self) -> Stage:
        """How far the round is; follows from what exists, so it can't disagree with it."""
        if self.decision:
            return self.Stage.DECIDED
        if self.duel_id:
            return self.Stage.COMPARE
        if self.policy_run_id:
            return self.Stage.POLICY
        if self.reward_model_id:
            return self.Stage.REWARD_MODEL
        return self.Stage.COLLECT
