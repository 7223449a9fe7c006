"""Answers that came too late for their slot, used after all."""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Case, Q, Value, When

from labeling import errors
from labeling.models import Assignment, Judgment, Skip, User
from labeling.services.allowances import affordable
from labeling.services.assignments import free, lease, take_turns
from labeling.services.judgments import Answer, record_judgment, same_answer


@transaction.atomic
def reuse_answer(
    *,
    assignment: Assignment,
    labeler: User,
    answer: Answer,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
    guidelines: int | None = None,
) -> Judgment:
    """Store an answer in any open slot of its pair, since its own went to someone else meanwhile.

    Only in a slot with the sides on which the labeler saw the pair: what is stored about sides
    stays true. The same key sent again returns what was stored the first time.

    Raises:
        NoSlotFree, BudgetSpent, KeyReused, AlreadySkipped, AlreadyAnswered, CampaignNotOpen,
        AnswerNotOffered.
    """
    take_turns(labeler)
    stored = Judgment.objects.select_related("assignment").filter(client_key=client_key).first()
    if stored is not None:
        if stored.comparison_id != assignment.comparison_id or stored.assignment is None:
            raise errors.KeyReused
        return same_answer(stored, stored.assignment, labeler, answer)
    own = Assignment.objects.filter(comparison=assignment.comparison_id, labeler=labeler)
    if own.filter(answered_at__isnull=False).exists():
        raise errors.AlreadyAnswered
    if Skip.objects.filter(comparison=assignment.comparison_id, labeler=labeler).exists():
        raise errors.AlreadySkipped
    slot = _open_slot(assignment, labeler, now)
    # Nobody has two slots of a pair: another one that is held shows it the other way round.
    free(own.filter(answered_at__isnull=True).exclude(pk=slot.pk), now)
    if slot.labeler_id is None and not affordable(slot.campaign, now):
        raise errors.BudgetSpent
    lease(slot, labeler, slot.campaign, now)
    return record_judgment(
        assignment=slot,
        labeler=labeler,
        answer=answer,
        client_key=client_key,
        seconds=seconds,
        now=now,
        guidelines=guidelines,
    )


def _open_slot(assignment: Assignment, labeler: User, now: datetime) -> Assignment:
    """A slot of the same pair and sides that nobody else holds: one's own before all others."""
    slot = (
        Assignment.objects.filter(
            Q(labeler__isnull=True) | Q(labeler=labeler) | Q(leased_until__lte=now),
            comparison=assignment.comparison_id,
            first_on_left=assignment.first_on_left,
            shown_order=assignment.shown_order,
            answered_at__isnull=True,
            purpose=Assignment.Purpose.DATA,
        )
        .order_by(
            Case(
                When(labeler=labeler, then=Value(0)),
                When(pk=assignment.pk, then=Value(1)),
                default=2,
            ),
            "id",
        )
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if slot is None:
        raise errors.NoSlotFree
    return slot
