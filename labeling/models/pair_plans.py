from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign, CampaignPolicy


class PlannedMeeting(models.Model):
    """A line of a campaign's pair plan: whose responses meet, sampled how, on how many prompts.

    A campaign without lines has no plan: there each policy meets each other on every prompt. A line
    that is left out of the plan stays, for the pairs that were made by it.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="planned_meetings"
    )
    # Both take part in this campaign, which foreign keys over both hold true (migration 0035). The
    # same policy twice: its responses meet each other.
    one = models.ForeignKey(CampaignPolicy, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(CampaignPolicy, on_delete=models.CASCADE, related_name="+")
    one_temperature = models.FloatField(null=True, blank=True)  # empty: the policy's own
    other_temperature = models.FloatField(null=True, blank=True)
    pairs = models.PositiveSmallIntegerField(default=1)  # on a prompt: so many responses a side
    # Of the prompts, in proportion to the other lines: 2 gets twice as many as 1.
    weight = models.FloatField(default=1.0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    left_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="planned_meeting_in_range",
                condition=Q(weight__gt=0, pairs__gte=1, pairs__lte=8)
                & (Q(one_temperature__isnull=True) | Q(one_temperature__range=(0, 2)))
                & (Q(other_temperature__isnull=True) | Q(other_temperature__range=(0, 2))),
                violation_error_message=_(
                    "A line lets one to eight pairs meet on a prompt, at temperatures from 0 to 2, "
                    "and has a share above 0."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.one.policy} meets {self.other.policy}"

    @property
    def temperatures(self) -> tuple[float, float]:
        """At which the one and the other are sampled."""
        return (
            self.one.temperature if self.one_temperature is None else self.one_temperature,
            self.other.temperature if self.other_temperature is None else self.other_temperature,
        )
