from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign
from labeling.models.prompts import Prompt, Response
from labeling.models.rankings import ResponseGroup


class Comparison(models.Model):
    """Two responses to one prompt, to be told apart. First and second say nothing about sides."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="comparisons")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="comparisons")
    # That both answer `prompt` is held by foreign keys over (response, prompt): migration 0002.
    first = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="+")
    # Of more responses that are put in order together; empty: it is judged by itself.
    group = models.ForeignKey(
        ResponseGroup, null=True, on_delete=models.PROTECT, related_name="comparisons"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="comparison_of_two_different_responses", condition=~Q(first=F("second"))
            ),
            models.UniqueConstraint(
                F("campaign"),
                Least("first", "second"),
                Greatest("first", "second"),
                name="comparison_once_per_campaign_whatever_the_order",
            ),
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"


class DiscardedPair(models.Model):
    """Two responses that never became a comparison, and why."""

    class Reason(models.TextChoices):
        IDENTICAL = "identical", _("Identical")
        EMPTY = "empty", _("Empty")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="discarded_pairs")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=10, choices=Reason)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="discard_reason_is_known", condition=Q(reason__in=["identical", "empty"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} pair on prompt {self.prompt_id}"


class Assignment(models.Model):
    """One wanted opinion on one comparison: a slot that a labeler leases, then answers."""

    class Purpose(models.TextChoices):
        """What an answer is for. Only `data` is data; the labeler can't tell them apart.

        Slots that are no data are made for one labeler at the moment of a claim and stay theirs.
        """

        DATA = "data"  # the campaign's question
        GOLD = "gold"  # a question whose answer is known: `GoldQuestion`
        REPEAT = "repeat"  # the same pair to the same person again, sides swapped
        REVIEW = "review"  # a reviewer's decision: no vote, but the label of the pair

    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="assignments")
    # The comparison's own, which a foreign key over both holds true (migration 0005): claiming
    # finds the open slots of one campaign by an index. That one serves look-ups too.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="assignments", db_index=False
    )
    slot = models.PositiveSmallIntegerField()  # 0 .. overlap-1
    purpose = models.CharField(
        max_length=10, choices=Purpose, default=Purpose.DATA, db_default=Purpose.DATA
    )
    # The same labeler's answer that this one repeats: on the same comparison, by the same person,
    # held by foreign keys (migration 0016).
    repeats = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="repeated_by"
    )
    # Set when the slot is made, alternating over the slots, so that sides are balanced exactly.
    first_on_left = models.BooleanField()
    # Of a group: the places of its candidates from the top of the screen to the bottom, fixed when
    # the slot is made; then `first_on_left` says whether the first stands above the second.
    shown_order = ArrayField(models.PositiveSmallIntegerField(), null=True, blank=True)
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="assignments",
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    # When its labeler last lost it without an answer, or it was opened anew: from then on they may
    # take a slot of this comparison again.
    freed_at = models.DateTimeField(null=True, blank=True)
    # What its labeler was promised when they took it; it stays when the campaign's price changes.
    price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    # The answer was taken back: a new slot of the comparison stands in for this one.
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "slot"], name="slot_exists_once"),
            models.UniqueConstraint(
                fields=["comparison", "labeler", "purpose"], name="labeler_once_on_a_comparison"
            ),
            models.CheckConstraint(
                name="assignment_purpose_is_known",
                condition=Q(purpose__in=["data", "gold", "repeat", "review"]),
            ),
            models.CheckConstraint(
                name="a_repeat_repeats_something",
                condition=Q(purpose="repeat", repeats__isnull=False)
                | (~Q(purpose="repeat") & Q(repeats__isnull=True)),
            ),
            models.CheckConstraint(
                name="lease_has_a_labeler_and_an_end",
                condition=Q(labeler__isnull=True, leased_until__isnull=True)
                | Q(labeler__isnull=False, leased_until__isnull=False),
            ),
            models.CheckConstraint(
                name="answered_by_someone",
                condition=Q(answered_at__isnull=True) | Q(labeler__isnull=False),
            ),
            models.CheckConstraint(
                name="only_an_answer_is_withdrawn",
                condition=Q(withdrawn_at__isnull=True) | Q(answered_at__isnull=False),
            ),
        ]
        indexes = [
            # Claiming walks only what is still open here, however much is done or lies elsewhere,
            models.Index(
                fields=["campaign", "id"],
                name="assignment_open",
                condition=Q(answered_at__isnull=True),
            ),
            # and begins behind what the labeler had, however much that is.
            models.Index(fields=["labeler", "campaign", "id"], name="assignment_had"),
            # In order, or PostgreSQL reads through all that the labeler had to find the first held.
            models.Index(
                fields=["labeler", "campaign", "id"],
                name="assignment_held",
                condition=Q(answered_at__isnull=True, labeler__isnull=False),
            ),
            # A search that found nothing before looks at what has become free since.
            models.Index(
                fields=["campaign", "freed_at"],
                name="assignment_freed",
                condition=Q(freed_at__isnull=False),
            ),
            models.Index(
                fields=["campaign", "leased_until"],
                name="assignment_lease_end",
                condition=Q(answered_at__isnull=True, leased_until__isnull=False),
            ),
            # What one labeler, or the whole campaign, has answered since a moment.
            models.Index(
                fields=["labeler", "campaign", "answered_at"],
                name="assignment_answered_by",
                condition=Q(answered_at__isnull=False),
            ),
            models.Index(
                fields=["campaign", "answered_at"],
                include=["price"],
                name="assignment_answered",
                condition=Q(answered_at__isnull=False),
            ),
            # How much is open, on how many pairs, and how many pairs are asked about at all.
            models.Index(
                fields=["campaign", "comparison"],
                include=["labeler"],
                name="assignment_open_data",
                condition=Q(answered_at__isnull=True, purpose="data"),
            ),
            models.Index(
                fields=["campaign"],
                name="assignment_first_slot",
                condition=Q(slot=0, purpose="data"),
            ),
        ]

    def __str__(self) -> str:
        return f"slot {self.slot} of {self.comparison}"

    @property
    def shown(self) -> list[Response]:
        """A group's responses in the order in which this slot shows them."""
        group = self.comparison.group
        if group is None or self.shown_order is None:
            return [self.left, self.right]
        candidates = [c.response for c in group.candidates.select_related("response")]
        return [candidates[place] for place in self.shown_order]

    @property
    def left(self) -> Response:
        return self.comparison.first if self.first_on_left else self.comparison.second

    @property
    def right(self) -> Response:
        return self.comparison.second if self.first_on_left else self.comparison.first
