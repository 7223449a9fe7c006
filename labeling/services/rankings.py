"""Responses that are put in order together, and what an order says about each two of them."""

import random
import uuid
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import ceil

from django.db import transaction

from labeling.models import (
    Assignment,
    Campaign,
    Candidate,
    Comparison,
    DiscardedPair,
    Judgment,
    Prompt,
    Ranking,
    Response,
    ResponseGroup,
)
from labeling.models.rankings import FEWEST, MOST
from labeling.services.comparisons import discard_reason

_chance = random.SystemRandom()


@transaction.atomic
def create_groups(
    *, campaign: Campaign, prompt: Prompt, responses: Sequence[Response], empty: int = 0
) -> list[ResponseGroup]:
    """Put one prompt's responses before the labelers, with one slot for each wanted opinion.

    Empty responses (`empty` more of them were never stored) and those that say the same as another
    are left out and counted as discarded. Fewer than three different ones make no group, more than
    nine make several of about the same size.
    """
    discarded = [DiscardedPair.Reason.EMPTY] * empty
    different: list[Response] = []
    for response in responses:
        reason = _left_out(response, different)
        if reason is None:
            different.append(response)
        else:
            discarded.append(DiscardedPair.Reason(reason))
    DiscardedPair.objects.bulk_create(
        DiscardedPair(campaign=campaign, prompt=prompt, reason=reason) for reason in discarded
    )
    if len(different) < FEWEST:
        return []
    return [_create_group(campaign, part) for part in _parts(different)]


def _left_out(response: Response, before: list[Response]) -> str | None:
    if not before:
        return None if response.text.strip() else DiscardedPair.Reason.EMPTY
    reasons = [discard_reason(other.text, response.text) for other in before]
    return next((reason for reason in reasons if reason is not None), None)


def _parts(responses: list[Response]) -> Iterator[list[Response]]:
    """As few groups as can be, as even as can be."""
    groups = ceil(len(responses) / MOST)
    for number in range(groups):
        yield responses[number::groups]


def _create_group(campaign: Campaign, responses: list[Response]) -> ResponseGroup:
    prompt_id = responses[0].prompt_id
    group = ResponseGroup.objects.create(
        campaign=campaign, prompt_id=prompt_id, size=len(responses)
    )
    Candidate.objects.bulk_create(
        Candidate(group=group, prompt_id=prompt_id, response=response, place=place)
        for place, response in enumerate(responses)
    )
    leading, *_ = Comparison.objects.bulk_create(
        Comparison(campaign=campaign, prompt_id=prompt_id, group=group, first=first, second=second)
        for first, second in combinations(responses, 2)
    )
    Assignment.objects.bulk_create(
        Assignment(
            comparison=leading,
            campaign=campaign,
            slot=slot,
            shown_order=order,
            first_on_left=order.index(0) < order.index(1),
        )
        for slot, order in zip(
            range(campaign.overlap), _balanced_orders(len(responses)), strict=False
        )
    )
    return group


def order_shown_to(reader: int, group: ResponseGroup) -> list[int]:
    """An order in which a group is shown to somebody: by chance, yet the same after a reload."""
    order = list(range(group.size))
    random.Random(f"{reader} {group.pk}").shuffle(order)
    return order


def _balanced_orders(size: int) -> Iterator[list[int]]:
    """Orders in which slots show a group: by chance, yet over each `size` slots every candidate
    stands in every position once."""
    while True:
        order = list(range(size))
        _chance.shuffle(order)
        for start in range(size):
            yield order[start:] + order[:start]


def preference_of(first: int, second: int) -> int:
    """What two ranks say about (first, second), in Judgment's sign; a lower rank is better."""
    return (first > second) - (first < second)


def store_ranking(judgment: Judgment, ranks: Sequence[int], supersedes: Judgment | None) -> Ranking:
    """Keep the order that belongs to an answer, and what follows from it for each other pair."""
    ranking = Ranking.objects.create(judgment=judgment, ranks=list(ranks))
    former = _parts_by_comparison(supersedes)
    group = judgment.comparison.group
    assert group is not None  # the rules are checked before
    rank_of = {
        candidate.response_id: ranks[candidate.place] for candidate in group.candidates.all()
    }
    parts = []
    for comparison in group.comparisons.exclude(pk=judgment.comparison_id).order_by("id"):
        preference = preference_of(rank_of[comparison.first_id], rank_of[comparison.second_id])
        part = _part(judgment, comparison, former.get(comparison.pk))
        part.preference = preference
        part.equal = "" if preference else Judgment.Equal.TIE
        parts.append(part)
    Judgment.objects.bulk_create(parts)
    return ranking


def retract_parts(retraction: Judgment, retracted: Judgment) -> None:
    """Take back with an answer what followed from its order."""
    parts = []
    for former in retracted.parts.select_related("comparison").order_by("id"):
        part = _part(retraction, former.comparison, former)
        part.preference, part.equal, part.retracted = former.preference, former.equal, True
        parts.append(part)
    Judgment.objects.bulk_create(parts)


def _parts_by_comparison(judgment: Judgment | None) -> dict[int, Judgment]:
    return {part.comparison_id: part for part in judgment.parts.all()} if judgment else {}


def _part(whole: Judgment, comparison: Comparison, former: Judgment | None) -> Judgment:
    return Judgment(
        comparison=comparison,
        part_of=whole,
        labeler=whole.labeler,
        judge_kind=whole.judge_kind,
        purpose=whole.purpose,  # what follows from a check or a review is no vote either
        guidelines_id=whole.guidelines_id,
        client_key=uuid.uuid5(whole.client_key, str(comparison.pk)),
        supersedes=former,
        created_at=whole.created_at,
    )
