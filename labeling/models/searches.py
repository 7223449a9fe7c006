from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from labeling.models.campaigns import Campaign


class Search(models.Model):
    """How far a labeler's search for work in a campaign has come, so that the next goes on there.

    At the moment `at`, no open slot up to `up_to` was for this labeler; since then only slots of
    those pairs can have become so of which one was given back, taken over or ran out of time.
    A shortcut, never the truth: without its rows each search begins at the first slot.
    """

    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    up_to = models.BigIntegerField()  # an assignment's id
    at = models.DateTimeField()
    # What the labeler was not to see, and what the campaign warned of: with others, it is void.
    without = ArrayField(models.CharField(max_length=60), default=list, blank=True)

    class Meta:
        verbose_name_plural = "searches"
        constraints = [
            models.UniqueConstraint(
                fields=["labeler", "campaign"], name="labeler_searches_a_campaign_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.labeler} in {self.campaign}: nothing up to {self.up_to}"
