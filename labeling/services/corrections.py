"""Second thoughts: a labeler changes or takes back an answer of their own."""

import uuid
from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Assignment, Judgment, Tombstone, User
from labeling.services.assignments import stand_in_for
from labeling.services.events import announce_judgment
from labeling.services.judgments import (
    Answer,
    check_offered,
    check_ranks,
    check_taking_answers,
    lock_slot,
    same_answer,
    says,
    store_answer,
)
from labeling.services.rankings import retract_parts


@transaction.atomic
def change_answer(
    *,
    judgment: Judgment,
    labeler: User,
    answer: Answer,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
    guidelines: int | None = None,
) -> Judgment:
    """Store an answer in the place of a former one; the same answer again stores nothing.

    Of two changes at once, the first wins: the second was made in view of an answer that no
    longer stands.

    Raises:
        KeyReused, NotYours, AnswerChanged, AnswerWithdrawn, CampaignNotOpen, AnswerNotOffered.
    """
    assert judgment.assignment_id is not None  # only labelers' answers are changed
    assignment = lock_slot(judgment.assignment_id)
    stored = Judgment.objects.filter(client_key=client_key).first()
    if stored is not None:
        return same_answer(stored, assignment, labeler, answer)
    check_changeable(judgment, labeler)
    check_ranks(assignment, answer)
    check_offered(assignment.comparison.campaign, answer)
    if says(judgment, answer):
        return judgment
    changed = store_answer(
        assignment,
        labeler,
        answer,
        client_key=client_key,
        seconds=seconds,
        now=now,
        supersedes=judgment,
        guidelines=guidelines,
    )
    announce_judgment(changed, now)
    return changed


@transaction.atomic
def retract_answer(
    *, judgment: Judgment, labeler: User, client_key: uuid.UUID, now: datetime
) -> Judgment:
    """Take an answer back, so that someone else gives the wanted opinion.

    The pair goes to the others, not back to the same labeler: who wants to answer differently
    changes the answer, so who takes it back wants to have no say. The judged slot stays bound to
    its judgments (a judgment is by the one it was assigned to); a new slot with the same sides
    stands in for it, so that overlap and balance stay exact.

    Raises:
        KeyReused, NotYours, AnswerChanged, AnswerWithdrawn, CampaignNotOpen.
    """
    assert judgment.assignment_id is not None  # only labelers' answers are changed
    assignment = lock_slot(judgment.assignment_id)
    stored = Judgment.objects.filter(client_key=client_key).first()
    if stored is not None:
        if not stored.retracted or stored.supersedes_id != judgment.pk:
            raise errors.KeyReused
        return stored
    check_changeable(judgment, labeler)
    retraction = Judgment.objects.create(
        comparison=assignment.comparison,
        assignment=assignment,
        labeler=labeler,
        judge_kind=labeler.kind,
        purpose=assignment.purpose,
        preference=judgment.preference,
        equal=judgment.equal,
        client_key=client_key,
        supersedes=judgment,
        retracted=True,
        created_at=now,
    )
    retract_parts(retraction, judgment)
    announce_judgment(retraction, now)
    assignment.withdrawn_at = now
    assignment.save(update_fields=["withdrawn_at"])
    if assignment.purpose == Assignment.Purpose.DATA:  # nobody else answers a labeler's checks
        stand_in_for([assignment])
    return retraction


def check_changeable(judgment: Judgment, labeler: User) -> None:
    """Refuse, and say why, unless this is the labeler's own answer and still stands.

    Raises:
        NotYours, CampaignNotOpen, AnswerChanged, AnswerWithdrawn.
    """
    if judgment.labeler_id != labeler.pk:
        raise errors.NotYours
    check_taking_answers(judgment.comparison.campaign)
    if judgment.retracted or Judgment.objects.filter(supersedes=judgment).exists():
        raise errors.AnswerChanged
    if Tombstone.objects.filter(judgment=judgment).exists():
        raise errors.AnswerWithdrawn
