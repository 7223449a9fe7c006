"""Demonstrations that leave a campaign: frozen for training, or as a file for others."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from labeling.models import (
    Act,
    Campaign,
    Demonstration,
    DemonstrationSnapshot,
    Judgment,
    SnapshotDemonstration,
    User,
)
from labeling.selectors.demonstrations import current_demonstrations
from labeling.services import audit
from labeling.services.exports import anonymous_name
from labeling.services.freezing import Frozen, freeze
from labeling.services.prompts import Message
from labeling.splits import SPLIT, split_of

PERSON = Judgment.JudgeKind.PERSON
LAYOUTS = ("completion", "messages")  # of a file for others

# How a demonstration came about -> which rows those are.
SOURCES = {
    "written": Q(slot__isnull=False, started_from__isnull=True),
    "edited": Q(started_from__isnull=False),
    "imported": Q(imported_from__isnull=False),
    "sampled": Q(policy__isnull=False),
}


def demonstrations_from(
    campaign: Campaign, kinds: Sequence[str], sources: Sequence[str]
) -> QuerySet[Demonstration]:
    """Demonstrations that stand, by these kinds of author, that came about in these ways."""
    wanted = Q(pk__in=[])
    for source in sources:
        wanted |= SOURCES[source]
    return current_demonstrations(campaign, kinds).filter(wanted).select_related("prompt")


def take_demonstration_snapshot(
    *,
    campaign: Campaign,
    kinds: Sequence[str] = (PERSON,),
    sources: Sequence[str] = tuple(SOURCES),
    by: User | None,
) -> DemonstrationSnapshot:
    """Freeze the demonstrations that stand now. The same ones give the same snapshot again."""
    recipe = {"author_kinds": sorted(kinds), "sources": sorted(sources)}
    chosen = demonstrations_from(campaign, kinds, sources)
    return freeze_demonstrations(campaign=campaign, demonstrations=chosen, recipe=recipe, by=by)


def freeze_demonstrations(
    *,
    campaign: Campaign,
    demonstrations: QuerySet[Demonstration],
    recipe: dict[str, Any],
    by: User | None,
) -> DemonstrationSnapshot:
    """Freeze some of a campaign's demonstrations; the recipe says which."""
    rows = demonstrations.select_related("prompt").order_by("id").iterator(chunk_size=1000)
    frozen = freeze(
        ((_frozen_row(demonstration), [demonstration.pk]) for demonstration in rows),
        folder="demonstrations",
    )
    return _record(campaign, frozen, {**recipe, "split": SPLIT}, by)


@transaction.atomic
def _record(
    campaign: Campaign, frozen: Frozen, recipe: dict[str, Any], by: User | None
) -> DemonstrationSnapshot:
    snapshot, created = DemonstrationSnapshot.objects.get_or_create(
        campaign=campaign,
        digest=frozen.digest,
        defaults={
            "artifact_url": frozen.url,
            "recipe": recipe,
            "train_count": frozen.counts["train"],
            "test_count": frozen.counts["test"],
            "created_by": by,
        },
    )
    if created:
        SnapshotDemonstration.objects.bulk_create(
            (SnapshotDemonstration(snapshot=snapshot, demonstration_id=pk) for pk in frozen.used),
            batch_size=5000,
        )
        audit.record(
            actor=by,
            act=Act.SNAPSHOT_TAKEN,
            subject=snapshot,
            details={"digest": frozen.digest, **frozen.counts, **recipe},
        )
    return snapshot


def _frozen_row(demonstration: Demonstration) -> dict[str, Any]:
    prompt = demonstration.prompt
    return {
        "id": demonstration.pk,
        "split": split_of(prompt.digest),
        "category": prompt.category,
        "prompt": _said(prompt.messages),
        "completion": demonstration.text,
        "author_kind": demonstration.author_kind,
    }


def _said(messages: list[Message]) -> list[dict[str, str]]:
    """A conversation as a language model learns it; images are not part of that."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def demonstration_rows(
    campaign: Campaign, kinds: Sequence[str] = (PERSON,), layout: str = "messages"
) -> Iterator[dict[str, Any]]:
    """Each demonstration that stands, as TRL's SFT reads it.

    Args:
        campaign: whose demonstrations.
        kinds: of authors.
        layout: "messages", the whole conversation, or "completion": prompt and completion apart,
            so that only the completion is learned.
    """
    rows = demonstrations_from(campaign, kinds, tuple(SOURCES)).iterator(chunk_size=1000)
    for demonstration in rows:
        prompt = _said(demonstration.prompt.messages)
        answer = [{"role": "assistant", "content": demonstration.text}]
        if layout == "messages":
            conversation: dict[str, Any] = {"messages": [*prompt, *answer]}
        else:
            conversation = {"prompt": prompt, "completion": answer}
        yield {
            **conversation,
            "category": demonstration.prompt.category,
            "campaign": campaign.name,
            "labeler": anonymous_name(demonstration.labeler_id),
            "author_kind": demonstration.author_kind,
            "edited": demonstration.started_from_id is not None,
            "demonstration": demonstration.pk,
            "written_at": demonstration.created_at.isoformat(),
        }
