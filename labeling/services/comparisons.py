import random
from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models import Max

from labeling.models import Assignment, Campaign, Comparison, DiscardedPair, Prompt, Response


def _balanced_sides(pairs: int) -> Iterator[bool]:
    """Which response starts on the left: random, yet even over every two comparisons."""
    chance = random.SystemRandom()
    for _ in range(0, pairs, 2):
        start = chance.random() < 0.5
        yield from (start, not start)


def discard_reason(first: str, second: str) -> str | None:
    """Why two texts can't be compared, or None when they can."""
    if not first.strip() or not second.strip():
        return DiscardedPair.Reason.EMPTY
    if first.split() == second.split():  # differences in white space alone are none
        return DiscardedPair.Reason.IDENTICAL
    return None


def has_pair(campaign: Campaign, prompt: Prompt, texts: Sequence[str]) -> bool:
    """Whether the campaign compares these two texts already, whoever wrote them."""
    return Comparison.objects.filter(
        campaign=campaign, prompt=prompt, first__text__in=texts, second__text__in=texts
    ).exists()


def next_slot(comparison: Comparison) -> int:
    """The number of one more slot; whoever asks holds the comparison, or two might get one."""
    last = Assignment.objects.filter(comparison=comparison).aggregate(last=Max("slot"))["last"]
    return 0 if last is None else last + 1


@transaction.atomic
def create_comparisons(
    *,
    campaign: Campaign,
    pairs: Sequence[tuple[Response, Response]],
    with_slots: bool = True,
) -> list[Comparison]:
    """Put pairs of responses before the labelers, with one slot for each wanted opinion.

    Identical and empty responses never become a comparison: they are counted as discarded.
    Pairs that the campaign has already are left alone. Imported pairs come without slots.
    """
    usable = []
    for first, second in pairs:
        reason = discard_reason(first.text, second.text)
        if reason is None:
            usable.append((first, second))
        else:
            DiscardedPair.objects.create(
                campaign=campaign, prompt_id=first.prompt_id, reason=reason
            )
    before = set(
        Comparison.objects.filter(
            campaign=campaign, prompt__in={first.prompt_id for first, _ in usable}
        ).values_list("first_id", "second_id")
    )
    known = before | {(second, first) for first, second in before}
    comparisons = Comparison.objects.bulk_create(
        Comparison(campaign=campaign, prompt_id=first.prompt_id, first=first, second=second)
        for first, second in usable
        if (first.pk, second.pk) not in known
    )
    if with_slots:
        _create_slots(comparisons, campaign.overlap)
    return comparisons


def _create_slots(comparisons: Sequence[Comparison], overlap: int) -> None:
    sides = zip(comparisons, _balanced_sides(len(comparisons)), strict=False)
    Assignment.objects.bulk_create(
        Assignment(
            comparison=comparison,
            campaign_id=comparison.campaign_id,
            slot=slot,
            first_on_left=start if slot % 2 == 0 else not start,
        )
        for comparison, start in sides
        for slot in range(overlap)
    )
