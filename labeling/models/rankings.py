from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.prompts import Prompt, Response

FEWEST, MOST = 3, 9  # responses that are put in order together


class ResponseGroup(models.Model):
    """Several responses to one prompt that are put in order together.

    Each two of them are a comparison. The slots of the group, and with them leases, skips and care,
    are those of its leading comparison, which is about the first two candidates. That a group has
    as many candidates as it says is held by a trigger.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="groups")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="groups")
    size = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="group_has_three_to_nine_responses",
                condition=Q(size__gte=FEWEST, size__lte=MOST),
            ),
        ]

    def __str__(self) -> str:
        return f"group {self.pk}"


class Candidate(models.Model):
    """A response of a group. Its place says nothing about where it is shown, nor how good it is."""

    group = models.ForeignKey(ResponseGroup, on_delete=models.PROTECT, related_name="candidates")
    # The group's own, so that a foreign key holds that the response answers it.
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="+")
    place = models.PositiveSmallIntegerField()  # 0 .. size-1

    class Meta:
        ordering = ["group", "place"]
        constraints = [
            models.UniqueConstraint(fields=["group", "place"], name="candidate_place_is_unique"),
            models.UniqueConstraint(fields=["group", "response"], name="response_once_in_a_group"),
        ]

    def __str__(self) -> str:
        return f"candidate {self.place} of {self.group_id}"


class Ranking(models.Model):
    """How a judgment on a group's leading comparison puts all candidates in order: never changed.

    `ranks` is by the candidates' places: 1 is best, equal ranks are ties, and no rank is left out.
    The judgments on the other comparisons of the group follow from it and are part of it
    (`Judgment.part_of`). That it fits its group is held by a trigger.
    """

    judgment = models.OneToOneField(
        "Judgment", primary_key=True, on_delete=models.PROTECT, related_name="ranking"
    )
    ranks = ArrayField(models.PositiveSmallIntegerField())

    def __str__(self) -> str:
        return f"ranks {self.ranks}"
