from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.comparisons import Assignment, Comparison


class SkipEvent(models.Model):
    """A labeler passed work on undone, and why: an event that is never changed."""

    class Reason(models.TextChoices):
        CANT_JUDGE = "cant_judge", _("I can't judge this")
        UNCLEAR = "unclear", _("The prompt is unclear")
        WRONG_LANGUAGE = "wrong_language", _("Wrong language")
        HARMFUL = "harmful", _("Harmful to read")
        BROKEN = "broken", _("Broken or unreadable")
        OTHER = "other", _("Another reason")

    reason = models.CharField(max_length=20, choices=Reason)
    note = models.CharField(max_length=500, blank=True)
    client_key = models.UUIDField(unique=True)  # made with the page: a retry stores nothing twice
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_reason_is_known",
                condition=Q(
                    reason__in=[
                        *("cant_judge", "unclear", "wrong_language"),
                        *("harmful", "broken", "other"),
                    ]
                ),
            ),
        ]


class Skip(SkipEvent):
    """A labeler passed a pair on unanswered.

    The slot is free again for other labelers; whoever skipped a comparison never gets it again.
    """

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="skips")
    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="skips")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="skips"
    )

    class Meta(SkipEvent.Meta):
        constraints = [
            *SkipEvent.Meta.constraints,
            models.UniqueConstraint(
                fields=["comparison", "labeler"], name="labeler_skips_a_comparison_once"
            ),
        ]
        indexes = [models.Index(fields=["labeler", "created_at"], name="skip_by_labeler")]

    def __str__(self) -> str:
        return f"{self.reason} skip of {self.comparison_id}"
