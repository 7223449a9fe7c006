from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign
from labeling.models.comparisons import Comparison


class GoldQuestion(models.Model):
    """A pair whose answer is known, so that an answer to it says something about the labeler.

    It is never changed, or agreement with it would say nothing; a wrong one is retired.
    """

    class Kind(models.TextChoices):
        SILENT = "silent", _("Silent: mixed in among the others")
        ATTENTION = "attention", _("Attention check: anybody who reads gets it right")
        TEST = "test", _("Qualification test: before real work, with its explanation")

    class Right(models.TextChoices):
        FIRST = "first", _("The first is better")
        SECOND = "second", _("The second is better")
        EQUAL = "equal", _("Neither is better")

    comparison = models.OneToOneField(Comparison, on_delete=models.PROTECT, related_name="gold")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SILENT)
    right = models.CharField(max_length=10, choices=Right)
    explanation = models.TextField(blank=True)  # Markdown; shown in the test and in a history
    retired_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="gold_kind_is_known", condition=Q(kind__in=["silent", "attention", "test"])
            ),
            models.CheckConstraint(
                name="gold_has_an_answer", condition=Q(right__in=["first", "second", "equal"])
            ),
        ]

    def __str__(self) -> str:
        return f"gold {self.pk}: {self.right}"

    def is_right(self, preference: int) -> bool:
        """Whether a preference takes the known side; how strongly is left out."""
        side = self.Right.EQUAL if preference == 0 else self.Right.SECOND
        return self.right == (self.Right.FIRST if preference < 0 else side)


class Hold(models.Model):
    """While it lasts, what a labeler judges in a campaign stays out of the data.

    Nothing is deleted: once it is lifted, the judgments are data again. Snapshots and exports made
    meanwhile are without them.
    """

    class Kind(models.TextChoices):
        PROBATION = "probation", _("on probation")  # works on, ends by itself
        QUARANTINE = "quarantine", _("in quarantine")  # gets no work, ended by a person

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="holds")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="holds"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.CharField(max_length=300)
    placed_by = models.ForeignKey(  # empty: a rule of the campaign did it
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    placed_at = models.DateTimeField(default=timezone.now, editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="hold_kind_is_known", condition=Q(kind__in=["probation", "quarantine"])
            ),
            models.CheckConstraint(name="hold_has_a_reason", condition=~Q(reason="")),
            models.UniqueConstraint(
                fields=["campaign", "labeler"],
                name="labeler_is_held_once_at_a_time",
                condition=Q(lifted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.labeler} {self.get_kind_display()} in {self.campaign}"
