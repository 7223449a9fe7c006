from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.campaigns import Campaign
from labeling.models.judgments import Judgment


class Tally(models.Model):
    """What one labeler did in one campaign on one day, in UTC.

    A materialised sum over judgments that the database itself keeps right: triggers change it in
    the transaction that adds judgments, which are never changed or deleted, or withdraws some
    (migration `tallies_of_data`). Each labeler has rows of their own, so that nobody waits for
    anybody. `labeling_tally_truth` is the sum as a view, `labeling_tally_rebuild()` makes the rows
    anew.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="tallies", db_index=False
    )
    # Null: from a file, or by an AI judge.
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    judge_kind = models.CharField(max_length=10, choices=Judgment.JudgeKind)
    day = models.DateField()
    # Answers that are data and stand, on the day they were last given: a correction moves one to
    # its own day, a withdrawal takes it away, and checks of the labeler are none.
    answers = models.IntegerField()
    seconds = models.FloatField()  # of attention, for all that was answered, checks included
    cost = models.DecimalField(max_digits=16, decimal_places=4)  # promised for the first answers

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "judge_kind", "labeler", "day"],
                name="tally_once_a_labeler_and_day",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="tally_of_no_negative_time", condition=Q(seconds__gte=0, cost__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answers} answers on {self.day}"
