"""Pairs that check the labeler: tests before real work, gold and mirrored repeats amid it."""

import random
from datetime import datetime

from labeling import errors
from labeling.models import Assignment, Campaign, Comparison, GoldQuestion, Hold, Membership, User
from labeling.sayings import FIRST_PAIRS, ON_PROBATION
from labeling.selectors.quality import (
    agreement_with_gold,
    gold_answers,
    gold_for,
    gold_of,
    repeatable,
)
from labeling.services.comparisons import next_slot
from labeling.services.holds import lift_hold, place_hold

Purpose = Assignment.Purpose
SILENT = (GoldQuestion.Kind.SILENT, GoldQuestion.Kind.ATTENTION)
TEST = (GoldQuestion.Kind.TEST,)

_chance = random.SystemRandom()


def admitted(labeler: User, campaign: Campaign, now: datetime) -> bool:
    """Whether this labeler gets real work; false while the test goes on.

    Raises:
        InQuarantine, NotQualified.
    """
    hold = Hold.objects.filter(campaign=campaign, labeler=labeler, lifted_at__isnull=True).first()
    if hold is not None and hold.kind == Hold.Kind.QUARANTINE:
        raise errors.InQuarantine
    if campaign.pass_share is None or not gold_of(campaign, TEST).exists():
        return True
    member = Membership.objects.filter(campaign=campaign, user=labeler).first()
    if member is None or member.qualified_at is not None:
        return True
    if gold_for(labeler, campaign, TEST).exists():
        return False
    right = [right for _, _, right in gold_answers(campaign, TEST, labeler)]
    if not right or sum(right) < campaign.pass_share * len(right):
        raise errors.NotQualified
    member.qualified_at = now
    member.save(update_fields=["qualified_at"])
    if campaign.probation_pairs:
        place_hold(
            campaign=campaign,
            labeler=labeler,
            kind=Hold.Kind.PROBATION,
            reason=FIRST_PAIRS(pairs=campaign.probation_pairs),
            by=None,
            now=now,
        )
    return True


def review_probation(labeler: User, campaign: Campaign, now: datetime) -> None:
    """After an answer: whether a probation goes on, ends well, or becomes a quarantine."""
    if not campaign.probation_pairs:
        return
    hold = Hold.objects.filter(
        campaign=campaign,
        labeler=labeler,
        kind=Hold.Kind.PROBATION,
        lifted_at__isnull=True,
    ).first()
    if hold is None:
        return
    work = Assignment.objects.filter(
        labeler=labeler, campaign=campaign, answered_at__gte=hold.placed_at
    )
    done = work.exclude(comparison__gold__kind=GoldQuestion.Kind.TEST)[: campaign.probation_pairs]
    if done.count() < campaign.probation_pairs:
        return
    share = agreement_with_gold(labeler, campaign)
    if share is None or share.value >= (campaign.pass_share or 0):
        lift_hold(hold=hold, by=None, now=now)
    else:
        place_hold(
            campaign=campaign,
            labeler=labeler,
            kind=Hold.Kind.QUARANTINE,
            reason=ON_PROBATION(share=f"{share.value:.0%}", answers=share.trials),
            by=None,
            now=now,
        )


def next_test(labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    """The next question of the test, as a slot of this labeler's own."""
    gold = gold_for(labeler, campaign, TEST).order_by("id").first()
    return _ask(gold.comparison, labeler, campaign, now) if gold else None


def draw_check(labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    """By chance, as often as the campaign wants it, a check in the place of the next pair."""
    draw = _chance.random()
    if draw < (campaign.gold_share or 0):
        gold = gold_for(labeler, campaign, SILENT).order_by("?").first()
        return _ask(gold.comparison, labeler, campaign, now) if gold else None
    if draw < (campaign.gold_share or 0) + (campaign.repeat_share or 0):
        first = repeatable(labeler, campaign, now).select_related("comparison").first()
        return _ask(first.comparison, labeler, campaign, now, repeats=first) if first else None
    return None


def _ask(
    comparison: Comparison,
    labeler: User,
    campaign: Campaign,
    now: datetime,
    repeats: Assignment | None = None,
) -> Assignment:
    # Two labelers who get one question at once must not both become the same slot.
    Comparison.objects.select_for_update(no_key=True).get(pk=comparison.pk)
    slot = next_slot(comparison)
    return Assignment.objects.create(
        comparison=comparison,
        campaign=campaign,
        slot=slot,
        purpose=Purpose.REPEAT if repeats else Purpose.GOLD,
        repeats=repeats,
        first_on_left=not repeats.first_on_left if repeats else slot % 2 == 0,
        labeler=labeler,
        leased_until=now,
        price=campaign.price,
    )
