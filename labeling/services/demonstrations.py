"""People write the ideal answer to a prompt, or edit a response into it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.preferences import LONGEST_RESPONSE
from labeling.models import (
    Act,
    Campaign,
    Demonstration,
    DemonstrationSkip,
    DemonstrationSlot,
    Judgment,
    Prompt,
    Response,
    User,
)
from labeling.selectors.care import welcome_to
from labeling.selectors.demonstrations import prompts_claimable_by, prompts_held_by
from labeling.services import audit
from labeling.services.allowances import allowance
from labeling.services.assignments import take_turns
from labeling.services.judgments import check_taking_answers

# Slots -------------------------------------------------------------------------------------------


@transaction.atomic
def want_demonstrations(
    *,
    campaign: Campaign,
    prompts: Iterable[Prompt],
    offers: Mapping[int, Sequence[Response]],
    by: User | None = None,
) -> int:
    """Ask labelers for answers to these prompts; returns how many slots are new.

    Args:
        campaign: says how many labelers answer each prompt.
        prompts: those that have their slots already are left alone.
        offers: prompt id -> up to two responses that a labeler may start from.
        by: who asks; None for a program.
    """
    before = DemonstrationSlot.objects.filter(campaign=campaign).count()
    slots = []
    for prompt in prompts:
        offered = [*offers.get(prompt.pk, ()), None, None]
        slots += [
            DemonstrationSlot(
                campaign=campaign, prompt=prompt, slot=slot, first=offered[0], second=offered[1]
            )
            for slot in range(campaign.overlap)
        ]
    DemonstrationSlot.objects.bulk_create(slots, ignore_conflicts=True, batch_size=1000)
    fresh = DemonstrationSlot.objects.filter(campaign=campaign).count() - before
    if fresh:
        audit.record(
            actor=by,
            act=Act.DEMONSTRATIONS_REQUESTED,
            subject=campaign,
            details={"demonstrations": fresh},
        )
    return fresh


@transaction.atomic
def claim_prompt(*, labeler: User, campaign: Campaign, now: datetime) -> DemonstrationSlot | None:
    """Reserve the next prompt for one labeler, or return None when none is left.

    A labeler who holds one already gets it again. Two labelers asking at once get different
    slots: rows locked by the other are skipped.

    Raises:
        NothingNow: there may be work, but the campaign's rules give out no more of it now.
    """
    if not campaign.gives_out_prompts:
        return None
    take_turns(labeler)
    held = welcome_to(labeler, campaign, prompts_held_by(labeler, campaign), prompt="prompt")
    slot = held.select_for_update(of=("self",)).first()
    if slot is None:
        allowed = allowance(labeler, campaign, now)
        free = prompts_claimable_by(labeler, campaign, now)
        if not allowed.fresh:  # money was promised for what somebody held whose lease ran out
            free = free.filter(labeler__isnull=False)
        if allowed.pairs:
            slot = free.select_for_update(skip_locked=True, of=("self",)).first()
        if slot is None and not allowed.fresh:
            raise allowed.refusal
    if slot is None:
        return None
    _lease(slot, labeler, now + campaign.lease)
    return slot


def _lease(slot: DemonstrationSlot, labeler: User, until: datetime) -> None:
    if slot.labeler_id is None:  # else it costs what was promised: no money is promised twice
        slot.price = slot.campaign.price
    slot.labeler, slot.leased_until = labeler, until
    slot.save(update_fields=["labeler", "leased_until", "price"])


def renew_lease(*, slot: DemonstrationSlot, labeler: User, now: datetime) -> None:
    """Who is writing keeps the prompt: its lease begins anew once half of it is over."""
    lease = slot.campaign.lease
    DemonstrationSlot.objects.filter(
        pk=slot.pk, labeler=labeler, answered_at__isnull=True, leased_until__lt=now + lease / 2
    ).update(leased_until=now + lease)


@transaction.atomic
def edit_better(*, judgment: Judgment, labeler: User, now: datetime) -> DemonstrationSlot:
    """Reserve the prompt of a judged pair, so that its better response is edited into the ideal.

    Nobody else is given this slot: the campaign asks for judgments, not for demonstrations.

    Raises:
        NothingToEdit, CampaignNotOpen, PromptAnswered.
    """
    comparison = judgment.comparison
    campaign = comparison.campaign
    if judgment.labeler_id != labeler.pk or not campaign.edits_better or not judgment.preference:
        raise errors.NothingToEdit
    check_taking_answers(campaign)
    take_turns(labeler)
    better = comparison.first if judgment.preference < 0 else comparison.second
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)  # slots get numbers
    slots = DemonstrationSlot.objects.filter(campaign=campaign, prompt=comparison.prompt_id)
    slot = slots.filter(labeler=labeler).select_for_update(of=("self",)).first()
    if slot is None:
        return DemonstrationSlot.objects.create(
            campaign=campaign,
            prompt_id=comparison.prompt_id,
            slot=slots.count(),
            first=better,
            labeler=labeler,
            leased_until=now + campaign.lease,
        )
    if slot.answered_at is not None:
        raise errors.PromptAnswered
    slot.first, slot.second = better, None
    slot.save(update_fields=["first", "second"])
    return slot


# Answers -----------------------------------------------------------------------------------------


@transaction.atomic
def record_demonstration(
    *,
    slot: DemonstrationSlot,
    labeler: User,
    text: str,
    started_from: int | None,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
) -> Demonstration:
    """Store one ideal answer. The same key sent again returns what was stored the first time.

    A lease that ran out costs nothing as long as the prompt has a slot that nobody else holds.

    Raises:
        KeyReused, PromptSkipped, PromptAnswered, PromptTaken, CampaignNotOpen,
        DemonstrationRefused.
    """
    take_turns(labeler)
    text = checked_text(text)
    stored = Demonstration.objects.filter(client_key=client_key).first()
    if stored is not None:
        return _same(stored, slot, labeler, text, started_from)
    check_taking_answers(slot.campaign)
    slot = _held_slot(slot, labeler, now)
    _check_offered(slot, started_from)
    demonstration = _store(
        slot, text, started_from, client_key=client_key, seconds=seconds, now=now, supersedes=None
    )
    slot.answered_at = now
    slot.save(update_fields=["answered_at"])
    return demonstration


@transaction.atomic
def change_demonstration(
    *,
    demonstration: Demonstration,
    labeler: User,
    text: str,
    started_from: int | None,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
) -> Demonstration:
    """Store a second version in the place of the first; the same text again stores nothing.

    Raises:
        NotYours, KeyReused, CampaignNotOpen, AnswerChanged, DemonstrationRefused.
    """
    if demonstration.labeler_id != labeler.pk or demonstration.slot is None:
        raise errors.NotYours
    take_turns(labeler)
    slot = demonstration.slot
    text = checked_text(text)
    stored = Demonstration.objects.filter(client_key=client_key).first()
    if stored is not None:
        return _same(stored, slot, labeler, text, started_from)
    check_taking_answers(slot.campaign)
    if Demonstration.objects.filter(supersedes=demonstration).exists():
        raise errors.AnswerChanged
    _check_offered(slot, started_from)
    if (demonstration.text, demonstration.started_from_id) == (text, started_from):
        return demonstration
    return _store(
        slot,
        text,
        started_from,
        client_key=client_key,
        seconds=seconds,
        now=now,
        supersedes=demonstration,
    )


@transaction.atomic
def skip_prompt(
    *,
    slot: DemonstrationSlot,
    labeler: User,
    reason: str,
    note: str,
    client_key: uuid.UUID,
    now: datetime,
) -> DemonstrationSkip:
    """Pass a prompt on to the other labelers, and keep why. The same key again does nothing.

    Raises:
        KeyReused, PromptSkipped, PromptAnswered, PromptTaken, CampaignNotOpen.
    """
    take_turns(labeler)
    stored = DemonstrationSkip.objects.filter(client_key=client_key).first()
    if stored is not None:
        if (stored.slot_id, stored.labeler_id) != (slot.pk, labeler.pk):
            raise errors.KeyReused
        return stored
    check_taking_answers(slot.campaign)
    slot = _held_slot(slot, labeler, now)
    skip = DemonstrationSkip.objects.create(
        slot=slot,
        campaign_id=slot.campaign_id,
        prompt_id=slot.prompt_id,
        labeler=labeler,
        reason=reason,
        note=note,
        client_key=client_key,
        created_at=now,
    )
    slot.labeler = slot.leased_until = None
    slot.save(update_fields=["labeler", "leased_until"])
    return skip


def checked_text(text: str) -> str:
    """The text as it is stored.

    Raises:
        DemonstrationRefused: it is empty, too long, or holds what no text may.
    """
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise errors.DemonstrationRefused
    if len(text) > LONGEST_RESPONSE:
        raise errors.DemonstrationRefused(
            _("The answer is longer than %(most)s characters; please shorten it.")
            % {"most": intcomma(LONGEST_RESPONSE)}
        )
    if "\x00" in text:
        raise errors.DemonstrationRefused(_("The answer holds a NUL character, which no text may."))
    return text


def _held_slot(slot: DemonstrationSlot, labeler: User, now: datetime) -> DemonstrationSlot:
    """The labeler's slot of this prompt, locked: the one given out, or else any free one."""
    of_prompt = DemonstrationSlot.objects.filter(campaign=slot.campaign_id, prompt=slot.prompt_id)
    skips = DemonstrationSkip.objects.filter(campaign=slot.campaign_id, prompt=slot.prompt_id)
    if skips.filter(labeler=labeler).exists():
        raise errors.PromptSkipped
    if of_prompt.filter(labeler=labeler, answered_at__isnull=False).exists():
        raise errors.PromptAnswered
    found = (
        of_prompt.filter(
            Q(labeler=labeler) | Q(labeler__isnull=True) | Q(leased_until__lte=now),
            answered_at__isnull=True,
        )
        .order_by(Case(When(labeler=labeler, then=Value(0)), default=1), "id")
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if found is None:
        raise errors.PromptTaken
    if found.labeler_id != labeler.pk:
        _lease(found, labeler, now)
    return found


def _check_offered(slot: DemonstrationSlot, started_from: int | None) -> None:
    if started_from is not None and started_from not in (slot.first_id, slot.second_id):
        raise errors.DemonstrationRefused(_("That response was not offered to start from."))


def _store(
    slot: DemonstrationSlot,
    text: str,
    started_from: int | None,
    *,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
    supersedes: Demonstration | None,
) -> Demonstration:
    labeler = slot.labeler
    assert labeler is not None
    return Demonstration.objects.create(
        campaign_id=slot.campaign_id,
        prompt_id=slot.prompt_id,
        text=text,
        author_kind=labeler.kind,
        slot=slot,
        labeler=labeler,
        started_from_id=started_from,
        seconds=seconds,
        client_key=client_key,
        supersedes=supersedes,
        created_at=now,
    )


def _same(
    stored: Demonstration,
    slot: DemonstrationSlot,
    labeler: User,
    text: str,
    started_from: int | None,
) -> Demonstration:
    """What a key stored before, if the same is sent with it again."""
    same = (
        stored.campaign_id == slot.campaign_id
        and stored.prompt_id == slot.prompt_id
        and stored.labeler_id == labeler.pk
        and (stored.text, stored.started_from_id) == (text, started_from)
    )
    if not same:
        raise errors.KeyReused
    return stored
