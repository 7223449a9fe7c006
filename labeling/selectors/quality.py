"""How well labelers judge: by questions whose answer is known, and by their own second answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from labeling import statistics
from labeling.models import Assignment, Campaign, GoldQuestion, Hold, Judgment, Skip, User

Purpose = Assignment.Purpose


def gold_of(campaign: Campaign, kinds: Iterable[str]) -> QuerySet[GoldQuestion]:
    """The campaign's questions of these kinds that are still asked."""
    return GoldQuestion.objects.filter(
        comparison__campaign=campaign, kind__in=list(kinds), retired_at__isnull=True
    )


def gold_for(labeler: User, campaign: Campaign, kinds: Iterable[str]) -> QuerySet[GoldQuestion]:
    """Of them those whose pair this labeler has not had in any form."""
    had = Assignment.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    skipped = Skip.objects.filter(comparison=OuterRef("comparison"), labeler=labeler)
    return gold_of(campaign, kinds).filter(~Exists(had), ~Exists(skipped))


def repeatable(labeler: User, campaign: Campaign, now: datetime) -> QuerySet[Assignment]:
    """Own answers old enough to be asked once more, the newest of them first.

    The first row that fits is near the start, however much was answered before.
    """
    return Assignment.objects.filter(
        labeler=labeler,
        campaign=campaign,
        purpose=Purpose.DATA,
        withdrawn_at__isnull=True,
        answered_at__lte=now - timedelta(days=campaign.repeat_after_days),
        repeated_by__isnull=True,
    ).order_by("-answered_at")


def open_holds(campaign: Campaign) -> QuerySet[Hold]:
    return Hold.objects.filter(campaign=campaign, lifted_at__isnull=True)


def standing(campaign: Campaign, purpose: str) -> QuerySet[Judgment]:
    """Answers that stand and were given for this purpose, held labelers' too."""
    return Judgment.objects.filter(
        comparison__campaign=campaign,
        purpose=purpose,
        superseded_by__isnull=True,
        retracted=False,
    )


def gold_answers(
    campaign: Campaign, kinds: Iterable[str], labeler: User | None = None
) -> list[tuple[int, GoldQuestion, bool]]:
    """(labeler, question, whether it was right) for each answer to a question of these kinds."""
    answers = standing(campaign, Purpose.GOLD).filter(comparison__gold__kind__in=list(kinds))
    if labeler is not None:
        answers = answers.filter(labeler=labeler)
    found = []
    for judgment in answers.select_related("comparison__gold"):
        gold = judgment.comparison.gold
        assert judgment.labeler_id is not None
        found.append((judgment.labeler_id, gold, gold.is_right(judgment.preference)))
    return found


def agreement_with_gold(
    labeler: User, campaign: Campaign, kinds: Iterable[str] = ("silent", "attention")
) -> statistics.Share | None:
    right = [right for _, _, right in gold_answers(campaign, kinds, labeler)]
    return statistics.share(sum(right), len(right))


def self_agreement(
    campaign: Campaign,
) -> dict[int, tuple[statistics.Share, statistics.Share | None]]:
    """labeler -> how often the second answer took the same side, and how often the same place.

    Pairs come back with their sides swapped: who chooses by the place, not by the text, agrees
    with the place and not with themselves. Pairs without a preference in either answer are left
    out of the places.
    """
    repeats = standing(campaign, Purpose.REPEAT).select_related("assignment")
    firsts = {
        judgment.assignment_id: judgment
        for judgment in standing(campaign, Purpose.DATA).filter(
            assignment__repeated_by__isnull=False
        )
    }
    same: dict[int, list[bool]] = {}
    places: dict[int, list[bool]] = {}
    for second in repeats:
        assert second.assignment is not None
        assert second.labeler_id is not None
        first = firsts.get(second.assignment.repeats_id)
        if first is None:  # changed to nothing since: taken back
            continue
        agrees = _side(first.preference) == _side(second.preference)
        same.setdefault(second.labeler_id, []).append(agrees)
        if first.preference and second.preference:
            places.setdefault(second.labeler_id, []).append(not agrees)
    found = {}
    for labeler, answers in same.items():
        again = statistics.share(sum(answers), len(answers))
        place = places.get(labeler, [])
        where = statistics.share(sum(place), len(place))
        if again is not None:
            found[labeler] = (again, where)
    return found


def _side(preference: int) -> int:
    return (preference > 0) - (preference < 0)


@dataclass(frozen=True)
class LabelerQuality:
    """What a manager sees of one labeler in one campaign."""

    labeler: User
    answers: int  # data
    gold: statistics.Share | None
    attention: statistics.Share | None
    again: statistics.Share | None  # the same side in mirrored repeats
    same_place: statistics.Share | None  # the same place instead
    test: statistics.Share | None
    qualified_at: datetime | None
    hold: Hold | None


def labelers_quality(campaign: Campaign) -> list[LabelerQuality]:
    """Everybody who labels in the campaign, and whoever did."""
    shares: dict[str, dict[int, list[bool]]] = {kind: {} for kind in GoldQuestion.Kind.values}
    for labeler, gold, right in gold_answers(campaign, GoldQuestion.Kind.values):
        shares[gold.kind].setdefault(labeler, []).append(right)
    answers = dict(
        Assignment.objects.filter(
            campaign=campaign,
            answered_at__isnull=False,
            withdrawn_at__isnull=True,
            purpose=Purpose.DATA,
        )
        .values_list("labeler")
        .annotate(Count("id"))
        .order_by()
    )
    again = self_agreement(campaign)
    holds = {hold.labeler_id: hold for hold in open_holds(campaign).select_related("placed_by")}
    members = dict(campaign.memberships.filter(role="labeler").values_list("user", "qualified_at"))
    people = User.objects.filter(
        Q(pk__in=list(members)) | Q(pk__in=list(answers)) | Q(pk__in=list(holds))
    ).order_by("username")

    def share(kind: str, pk: int) -> statistics.Share | None:
        right = shares[kind].get(pk, [])
        return statistics.share(sum(right), len(right))

    return [
        LabelerQuality(
            labeler=person,
            answers=answers.get(person.pk, 0),
            gold=share("silent", person.pk),
            attention=share("attention", person.pk),
            again=again.get(person.pk, (None, None))[0],
            same_place=again.get(person.pk, (None, None))[1],
            test=share("test", person.pk),
            qualified_at=members.get(person.pk),
            hold=holds.get(person.pk),
        )
        for person in people
    ]
