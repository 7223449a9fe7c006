from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.campaigns import Campaign
from labeling.models.comparisons import Comparison
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


class ComparisonTally(models.Model):
    """What was asked and said about one comparison, as data: checks and reviews are left out.

    Kept right by triggers in the transaction that makes slots, answers one, skips, judges or
    withdraws (migration `tallies_of_comparisons`). The truth is the view
    `labeling_comparisontally_truth`. A comparison has a row once any of this happened to it.
    """

    comparison = models.OneToOneField(
        Comparison, primary_key=True, on_delete=models.PROTECT, related_name="tally"
    )
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    slots = models.IntegerField()
    open = models.IntegerField()  # slots without an answer, leased ones among them
    skips = models.IntegerField()
    # Answers that stand, by kind of judge; those of labelers who are held back among them.
    people = models.IntegerField()
    simulations = models.IntegerField()
    ais = models.IntegerField()
    imported = models.IntegerField()  # of the people's, those that came from files

    class Meta:
        verbose_name_plural = "tallies of comparisons"
        indexes = [
            models.Index(
                fields=["campaign"], name="comparison_somebody_skipped", condition=Q(skips__gt=0)
            ),
            # Which few people judged, among many that all judged whom the campaign asks.
            models.Index(fields=["campaign", "people"], name="comparison_judged_so_often"),
        ]

    def __str__(self) -> str:
        return f"tally of {self.comparison_id}"


class CampaignTally(models.Model):
    """Sums over a campaign's rows of `ComparisonTally`, kept right by the same triggers.

    Only the sum over `labeler` means something: it says whose transaction wrote the row, so that
    labelers never wait for each other. A row may be negative, where one labeler undid what another
    did.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # By whom these comparisons are judged: 1 people, 2 simulations, 4 AI judges, or sums of these.
    judges = models.SmallIntegerField()
    judged = models.IntegerField()  # comparisons with an answer that stands
    asked = models.IntegerField()  # comparisons with slots
    complete = models.IntegerField()  # of them those with none open
    open = models.IntegerField()  # slots
    skips = models.IntegerField()
    imported = models.IntegerField()  # judgments
    from_files = models.IntegerField()  # comparisons with such judgments

    class Meta:
        verbose_name_plural = "tallies of campaigns"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "labeler", "judges"],
                name="campaign_tally_once_a_labeler",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"tally of campaign {self.campaign_id}"
