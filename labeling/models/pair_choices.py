from django.db import models
from django.db.models import Q

from labeling.models.campaigns import PairRule
from labeling.models.comparisons import Comparison


class PairChoice(models.Model):
    """Why a campaign that chooses its pairs has asked this one, and what was expected of it.

    In the random arm as well: what is said there without choosing is what the others are measured
    against.
    """

    comparison = models.OneToOneField(Comparison, on_delete=models.CASCADE, related_name="choice")
    arm = models.CharField(max_length=12, choices=PairRule)
    # Of the reward model at that time: how far its heads differ about the lead of the first, in
    # log-odds, and the chance that it gave the first. Empty without one.
    disagreement = models.FloatField(null=True)
    chance = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="pair_choice_arm_is_known",
                condition=Q(arm__in=["random", "uncertainty", "ranking"]),
            ),
            models.CheckConstraint(
                name="pair_choice_expects_something_possible",
                condition=(Q(disagreement__isnull=True) | Q(disagreement__gte=0))
                & (Q(chance__isnull=True) | Q(chance__range=(0, 1))),
            ),
            models.CheckConstraint(
                name="pair_chosen_for_uncertainty_says_how_much",
                condition=~Q(arm="uncertainty")
                | Q(disagreement__isnull=False, chance__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.comparison}, {self.arm}"
