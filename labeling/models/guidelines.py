from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign


class GuidelinesVersion(models.Model):
    """What a campaign's labelers were told from one moment on: a row that is never changed.

    The database adds one whenever a campaign's guidelines change, whoever changes them (migration
    0015), so the newest always is the campaign's own text.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="guidelines_versions"
    )
    number = models.PositiveIntegerField()  # 1, 2, ... within the campaign
    text = models.TextField(blank=True)  # Markdown
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["campaign", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "number"], name="guidelines_version_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"guidelines {self.number} of {self.campaign}"
