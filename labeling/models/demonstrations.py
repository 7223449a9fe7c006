from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.files import FrozenData, ImportedFile
from labeling.models.judgments import Judgment
from labeling.models.policies import Policy
from labeling.models.prompts import Prompt, Response
from labeling.models.skips import SkipEvent
from labeling.models.slots import Slot


class DemonstrationSlot(Slot):
    """One wanted demonstration: a prompt of a campaign that one labeler is to answer ideally."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="demonstration_slots", db_index=False
    )
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="demonstration_slots")
    # What the labeler may start from. That both answer `prompt` is held by keys: migration 0016.
    first = models.ForeignKey(
        Response, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    second = models.ForeignKey(
        Response, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta(Slot.Meta):
        constraints = [
            *Slot.Meta.constraints,
            models.UniqueConstraint(
                fields=["campaign", "prompt", "slot"], name="demonstration_slot_exists_once"
            ),
            models.UniqueConstraint(
                fields=["campaign", "prompt", "labeler"], name="labeler_answers_a_prompt_once"
            ),
            models.CheckConstraint(
                name="demonstration_offers_the_first_before_the_second",
                condition=Q(second__isnull=True) | Q(first__isnull=False) & ~Q(first=F("second")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "id"],
                name="demonstration_open",
                condition=Q(answered_at__isnull=True),
            ),
            models.Index(
                fields=["labeler", "campaign", "id"],
                name="demonstration_held",
                condition=Q(answered_at__isnull=True, labeler__isnull=False),
            ),
            models.Index(
                fields=["campaign", "answered_at"],
                include=["price"],
                name="demonstration_answered",
                condition=Q(answered_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"slot {self.slot} of prompt {self.prompt_id}"

    @property
    def offered(self) -> list[Response]:
        """The responses a labeler may start from, in the order in which they are shown."""
        return [response for response in (self.first, self.second) if response is not None]


class DemonstrationImport(ImportedFile):
    """A file of demonstrations that were written elsewhere, taken in once."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="demonstration_imports"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "digest"],
                name="demonstrations_file_imported_once_per_campaign",
            ),
        ]


class Demonstration(models.Model):
    """The ideal answer to a prompt, as somebody wrote it: an event that is never changed.

    A second version by the same author supersedes the one before.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="demonstrations")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="demonstrations")
    text = models.TextField()  # Markdown
    author_kind = models.CharField(max_length=10, choices=Judgment.JudgeKind)

    # Where it came from: exactly one of the three.
    slot = models.ForeignKey(
        DemonstrationSlot, null=True, on_delete=models.PROTECT, related_name="demonstrations"
    )
    imported_from = models.ForeignKey(
        DemonstrationImport, null=True, on_delete=models.PROTECT, related_name="demonstrations"
    )
    policy = models.ForeignKey(
        Policy, null=True, on_delete=models.PROTECT, related_name="demonstrations"
    )
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="demonstrations",
    )

    # The response that was edited into it; empty: written from nothing.
    started_from = models.ForeignKey(
        Response, null=True, on_delete=models.PROTECT, related_name="demonstrations"
    )
    seconds = models.FloatField(null=True)  # of attention, as the page measured it
    client_key = models.UUIDField(unique=True)  # made by the client: a retry stores nothing twice
    supersedes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="demonstration_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="demonstration_comes_from_one_place",
                condition=Q(
                    slot__isnull=False,
                    labeler__isnull=False,
                    imported_from__isnull=True,
                    policy__isnull=True,
                    author_kind__in=["person", "simulation"],
                )
                | Q(
                    slot__isnull=True,
                    labeler__isnull=True,
                    imported_from__isnull=False,
                    policy__isnull=True,
                    author_kind__in=["person", "ai", "simulation"],
                )
                | Q(
                    slot__isnull=True,
                    labeler__isnull=True,
                    imported_from__isnull=True,
                    policy__isnull=False,
                    author_kind="ai",
                ),
            ),
            models.CheckConstraint(
                name="demonstration_took_no_negative_time",
                condition=Q(seconds__isnull=True) | Q(seconds__gte=0),
            ),
            models.CheckConstraint(
                name="only_a_labelers_demonstration_is_superseded",
                condition=Q(supersedes__isnull=True) | Q(slot__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["slot"],
                name="demonstration_slot_answered_once",
                condition=Q(supersedes__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["campaign", "id"], name="demonstration_by_campaign")]

    def __str__(self) -> str:
        return f"demonstration {self.pk} of prompt {self.prompt_id}"


class DemonstrationSkip(SkipEvent):
    """A labeler passed a prompt on without writing an answer, and why."""

    slot = models.ForeignKey(DemonstrationSlot, on_delete=models.PROTECT, related_name="skips")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="demonstration_skips"
    )
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="+")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")

    class Meta(SkipEvent.Meta):
        constraints = [
            *SkipEvent.Meta.constraints,
            models.UniqueConstraint(
                fields=["campaign", "prompt", "labeler"], name="labeler_skips_a_prompt_once"
            ),
        ]
        indexes = [
            models.Index(fields=["labeler", "created_at"], name="demonstration_skip_by_labeler")
        ]

    def __str__(self) -> str:
        return f"{self.reason} skip of prompt {self.prompt_id}"


class DemonstrationSnapshot(FrozenData):
    """Demonstrations frozen for training: a file whose hash is its name, and how it was made."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="demonstration_snapshots"
    )
    train_count = models.PositiveIntegerField()
    test_count = models.PositiveIntegerField()
    demonstrations = models.ManyToManyField(
        Demonstration, through="SnapshotDemonstration", related_name="snapshots"
    )

    class Meta(FrozenData.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "digest"],
                name="demonstration_snapshot_content_once_per_campaign",
            ),
        ]

    def __str__(self) -> str:
        return f"demonstrations {self.digest[:8]}"


class SnapshotDemonstration(models.Model):
    """A demonstration in a snapshot: the link by which lineage is followed."""

    snapshot = models.ForeignKey(DemonstrationSnapshot, on_delete=models.PROTECT, related_name="+")
    demonstration = models.ForeignKey(Demonstration, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["snapshot", "demonstration"], name="demonstration_once_in_a_snapshot"
            ),
        ]

    def __str__(self) -> str:
        return f"demonstration {self.demonstration_id} in {self.snapshot_id}"
