"""The review queue: what comes into it, and what a reviewer decides."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from labeling import errors
from labeling.models import (
    Act,
    Assignment,
    Campaign,
    Comparison,
    Judgment,
    ReviewItem,
    Skip,
    User,
)
from labeling.selectors.reviews import decisions, worth_a_review
from labeling.services import audit
from labeling.services.comparisons import next_slot
from labeling.services.events import announce_judgment
from labeling.services.judgments import Answer, check_offered, check_ranks, says, store_answer
from labeling.services.rankings import order_shown_to

SURPRISES = 100  # of one reward model


@transaction.atomic
def fill_queue(campaign: Campaign, judges: str) -> dict[str, int]:
    """Put what is worth a review into the queue, and take out what no longer is.

    Returns:
        How many wait, by reason.
    """
    decided = set(decisions(campaign).values_list("comparison", flat=True))
    for reason, found in worth_a_review(campaign, judges).items():
        wanted = {pk: weight for pk, weight in found if pk not in decided}
        _waiting(campaign, reason).exclude(comparison__in=wanted).delete()
        _put(campaign, reason, ((pk, weight, {}) for pk, weight in wanted.items()))
    return {reason: _waiting(campaign, reason).count() for reason in ReviewItem.Reason.values}


@transaction.atomic
def note_surprises(
    campaign: Campaign, surprises: Iterable[tuple[int, float, dict[str, Any]]]
) -> None:
    """Pairs on which a reward model contradicts people: (comparison, by how much, details).

    They take the place of those of the model before.
    """
    decided = set(decisions(campaign).values_list("comparison", flat=True))
    pairs = set(
        campaign.comparisons.filter(group__isnull=True, gold__isnull=True).values_list(
            "pk", flat=True
        )
    )
    fresh = sorted(
        (row for row in surprises if row[0] in pairs and row[0] not in decided),
        key=lambda row: -row[1],
    )
    _waiting(campaign, ReviewItem.Reason.SURPRISE).delete()
    _put(campaign, ReviewItem.Reason.SURPRISE, fresh[:SURPRISES])


def as_shown(item: ReviewItem, reviewer: User) -> Assignment:
    """An unsaved slot that shows an item: sides by chance, yet the same after a reload."""
    comparison = item.comparison
    if comparison.group is None:
        return Assignment(
            comparison=comparison, first_on_left=(comparison.pk + reviewer.pk) % 2 == 0
        )
    order = order_shown_to(reviewer.pk, comparison.group)
    return Assignment(
        comparison=comparison,
        shown_order=order,
        first_on_left=order.index(0) < order.index(1),
    )


@transaction.atomic
def decide(
    *,
    item: ReviewItem,
    reviewer: User,
    answer: Answer,
    client_key: uuid.UUID,
    seconds: float | None,
    now: datetime,
) -> Judgment:
    """Store a reviewer's decision, which becomes the pair's label; it closes all its items.

    Of a group it is an order, and the label of each of its pairs.

    The same key sent again returns what was stored the first time.

    Raises:
        KeyReused, AlreadyReviewed, OwnPair, AnswerNotOffered.
    """
    comparison = Comparison.objects.select_for_update(no_key=True).get(pk=item.comparison_id)
    stored = Judgment.objects.filter(client_key=client_key).first()
    if stored is not None:
        if stored.comparison_id != comparison.pk or not says(stored, answer):
            raise errors.KeyReused
        return stored
    check_reviewable(item, reviewer)
    assignment = as_shown(item, reviewer)
    check_ranks(assignment, answer)
    check_offered(comparison.campaign, answer)
    assignment.campaign_id = comparison.campaign_id
    assignment.slot = next_slot(comparison)
    assignment.purpose = Assignment.Purpose.REVIEW
    assignment.labeler = reviewer
    assignment.leased_until = assignment.answered_at = now
    assignment.save()
    judgment = store_answer(
        assignment,
        reviewer,
        answer,
        client_key=client_key,
        seconds=seconds,
        now=now,
        supersedes=None,
    )
    announce_judgment(judgment, now)
    ReviewItem.objects.filter(comparison=comparison, closed_at__isnull=True).update(
        closed_at=now, closed_by=reviewer
    )
    return judgment


@transaction.atomic
def dismiss(*, item: ReviewItem, by: User, now: datetime) -> None:
    """Take an item out of the queue without a decision; it does not come back for this reason.

    Raises:
        AlreadyReviewed.
    """
    closed = ReviewItem.objects.filter(pk=item.pk, closed_at__isnull=True).update(
        closed_at=now, closed_by=by, dismissed=True
    )
    if not closed:
        raise errors.AlreadyReviewed
    audit.record(
        actor=by,
        act=Act.REVIEW_DISMISSED,
        subject=item,
        campaign=item.campaign,
        details={"comparison": item.comparison_id, "reason": item.reason},
    )


def check_reviewable(item: ReviewItem, reviewer: User) -> None:
    """Refuse what is decided, and pairs on which the reviewer has a say already.

    Raises:
        AlreadyReviewed, OwnPair.
    """
    if not ReviewItem.objects.filter(pk=item.pk, closed_at__isnull=True).exists():
        raise errors.AlreadyReviewed
    had = Assignment.objects.filter(comparison=item.comparison_id, labeler=reviewer)
    skipped = Skip.objects.filter(comparison=item.comparison_id, labeler=reviewer)
    if had.exists() or skipped.exists():
        raise errors.OwnPair


def _waiting(campaign: Campaign, reason: str) -> QuerySet[ReviewItem]:
    return ReviewItem.objects.filter(campaign=campaign, reason=reason, closed_at__isnull=True)


def _put(
    campaign: Campaign, reason: str, found: Iterable[tuple[int, float, dict[str, Any]]]
) -> None:
    ReviewItem.objects.bulk_create(
        (
            ReviewItem(
                campaign=campaign, comparison_id=pk, reason=reason, weight=weight, details=details
            )
            for pk, weight, details in found
        ),
        ignore_conflicts=True,  # closed for this reason before, or waiting already
    )
