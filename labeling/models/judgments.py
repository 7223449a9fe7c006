from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign
from labeling.models.comparisons import Assignment, Comparison
from labeling.models.files import ImportedFile
from labeling.models.guidelines import GuidelinesVersion
from labeling.models.policies import Policy


class PreferenceImport(ImportedFile):
    """A file of preferences that other people collected, taken in once."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="imports")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "digest"], name="file_imported_once_per_campaign"
            ),
        ]


class Judgment(models.Model):
    """Which response is better, and by how much: an event that is never changed.

    `preference` is about (first, second), never about left and right:
    -4 first is much better ... 0 no preference ... +4 second is much better.
    Undo and edit add an event that supersedes the one before.
    """

    class JudgeKind(models.TextChoices):
        PERSON = "person", _("Person")
        AI = "ai", _("AI")
        SIMULATION = "simulation", _("Simulation")

    class Equal(models.TextChoices):
        """Four facts are kept apart: a preference (blank), a tie, both good, both bad."""

        TIE = "tie", _("Tie")
        BOTH_GOOD = "both_good", _("Both good")
        BOTH_BAD = "both_bad", _("Both bad")

    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="judgments")
    judge_kind = models.CharField(max_length=10, choices=JudgeKind)

    # Where it came from: exactly one of the four.
    assignment = models.ForeignKey(
        Assignment, null=True, on_delete=models.PROTECT, related_name="judgments"
    )
    imported_from = models.ForeignKey(
        PreferenceImport, null=True, on_delete=models.PROTECT, related_name="judgments"
    )
    # Who gave an imported judgment, by the file's own name for them; blank where it says nothing.
    annotator = models.CharField(max_length=120, blank=True)
    ai_judge = models.ForeignKey(
        Policy, null=True, on_delete=models.PROTECT, related_name="judgments"
    )
    # It follows from the ranking that this judgment of a group's leading comparison holds.
    part_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="parts")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="judgments"
    )

    # The purpose of its assignment, or of the answer it is part of, by foreign keys over both
    # (migrations 0026 and 0042): only `data` is.
    purpose = models.CharField(
        max_length=10,
        choices=Assignment.Purpose,
        default=Assignment.Purpose.DATA,
        db_default=Assignment.Purpose.DATA,
    )
    # What the labeler was told when the pair was shown; empty where there were no guidelines.
    guidelines = models.ForeignKey(
        GuidelinesVersion, null=True, on_delete=models.PROTECT, related_name="judgments"
    )

    preference = models.SmallIntegerField()
    equal = models.CharField(max_length=10, choices=Equal, blank=True)
    aspects = models.JSONField(default=dict, blank=True)  # name -> preference, same sign
    rationale = models.TextField(blank=True)
    flags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    seconds = models.FloatField(null=True)  # of attention, as the page measured it
    client_key = models.UUIDField(unique=True)  # made by the client: a retry stores nothing twice

    supersedes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    retracted = models.BooleanField(default=False)  # this event takes the answer back
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="judgment_preference_in_range",
                condition=Q(preference__gte=-4, preference__lte=4),
            ),
            models.CheckConstraint(
                name="judgment_prefers_or_says_why_not",
                condition=Q(equal="") & ~Q(preference=0)
                | Q(equal__in=["tie", "both_good", "both_bad"], preference=0),
            ),
            models.CheckConstraint(
                name="judgment_comes_from_one_place",
                condition=Q(
                    assignment__isnull=False,
                    labeler__isnull=False,
                    imported_from__isnull=True,
                    ai_judge__isnull=True,
                    part_of__isnull=True,
                    judge_kind__in=["person", "simulation"],
                )
                | Q(
                    assignment__isnull=True,
                    labeler__isnull=False,
                    imported_from__isnull=True,
                    ai_judge__isnull=True,
                    part_of__isnull=False,
                    judge_kind__in=["person", "simulation"],
                )
                | Q(
                    assignment__isnull=True,
                    labeler__isnull=True,
                    imported_from__isnull=False,
                    ai_judge__isnull=True,
                    part_of__isnull=True,
                    judge_kind="person",
                )
                | Q(
                    assignment__isnull=True,
                    labeler__isnull=True,
                    imported_from__isnull=True,
                    ai_judge__isnull=False,
                    part_of__isnull=True,
                    judge_kind="ai",
                ),
            ),
            models.CheckConstraint(
                name="only_imported_judgments_name_an_annotator",
                condition=Q(annotator="") | Q(imported_from__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["imported_from", "annotator", "comparison"],
                condition=Q(imported_from__isnull=False),
                name="annotator_judges_a_pair_of_a_file_once",
            ),
            models.CheckConstraint(
                name="judgment_purpose_is_its_assignments",
                condition=Q(purpose="data")
                | Q(assignment__isnull=False)
                | Q(part_of__isnull=False),
            ),
            models.CheckConstraint(
                name="judgment_took_no_negative_time",
                condition=Q(seconds__isnull=True) | Q(seconds__gte=0),
            ),
            models.UniqueConstraint(
                fields=["assignment"],
                name="assignment_answered_once",
                condition=Q(supersedes__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["part_of", "comparison"], name="ranking_says_one_thing_about_a_comparison"
            ),
            models.CheckConstraint(
                name="judgment_retracts_something",
                condition=Q(retracted=False) | Q(supersedes__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="judgment_by_time"),
            # Checks of the labeler and reviews are few among very many.
            models.Index(
                fields=["purpose", "comparison"],
                name="judgment_that_is_no_data",
                condition=~Q(purpose="data"),
            ),
        ]

    def __str__(self) -> str:
        return f"judgment {self.pk} on {self.comparison_id}"
