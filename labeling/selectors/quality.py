"""How well labelers judge: by questions whose answer is known, and by their own second answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from labeling import statistics
from labeling.models import Assignment, Campaign, GoldQuestion, Hold, Judgment, Skip, Tally, User

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
    """Answers that stand and were given for this purpose.

    Held labelers' and withdrawn ones too: they say how well somebody judges, and are no data.
    """
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


def gold_shares(campaign: Campaign) -> dict[str, dict[int, statistics.Share]]:
    """kind of question -> labeler -> how often the answer was right."""
    found: dict[str, dict[int, statistics.Share]] = {kind: {} for kind in GoldQuestion.Kind.values}
    rows = _gold_counts(campaign, "comparison__gold__kind", "labeler")
    for kind, labeler, asked, right in rows:
        share = statistics.share(right, asked)
        if share is not None:
            found[kind][labeler] = share
    return found


def question_shares(campaign: Campaign, questions: Iterable[int]) -> dict[int, statistics.Share]:
    """question -> how often it was answered right, of these."""
    answers = _gold_counts(campaign, "comparison__gold").filter(
        comparison__gold__in=list(questions)
    )
    shares = {gold: statistics.share(right, asked) for gold, asked, right in answers}
    return {gold: share for gold, share in shares.items() if share is not None}


RIGHT = (
    Q(comparison__gold__right=GoldQuestion.Right.FIRST, preference__lt=0)
    | Q(comparison__gold__right=GoldQuestion.Right.SECOND, preference__gt=0)
    | Q(comparison__gold__right=GoldQuestion.Right.EQUAL, preference=0)
)


def _gold_counts(campaign: Campaign, *by: str) -> QuerySet[Judgment, tuple[Any, ...]]:
    """Rows of what they are counted by, how many answers there are, how many of them right."""
    return (
        standing(campaign, Purpose.GOLD)
        .filter(comparison__gold__isnull=False)
        .values_list(*by)
        .annotate(asked=Count("id"), right=Count("id", filter=RIGHT))
        .order_by()
    )


# A labeler's second answers beside the first ones that stand: all, on the same side, both with a
# preference, and of those on the same place instead.
AGAIN = """
SELECT r.labeler_id, count(*),
       count(*) FILTER (WHERE sign(r.preference) = sign(f.preference)),
       count(*) FILTER (WHERE r.preference <> 0 AND f.preference <> 0),
       count(*) FILTER (WHERE sign(r.preference) = -sign(f.preference) AND r.preference <> 0)
FROM labeling_judgment r JOIN labeling_assignment a ON a.id = r.assignment_id
     JOIN labeling_judgment f ON f.assignment_id = a.repeats_id AND NOT f.retracted
          AND NOT EXISTS (SELECT FROM labeling_judgment n WHERE n.supersedes_id = f.id)
WHERE r.purpose = 'repeat' AND a.campaign_id = %(campaign)s AND NOT r.retracted
      AND NOT EXISTS (SELECT FROM labeling_judgment n WHERE n.supersedes_id = r.id)
GROUP BY 1
"""


def self_agreement(
    campaign: Campaign,
) -> dict[int, tuple[statistics.Share, statistics.Share | None]]:
    """labeler -> how often the second answer took the same side, and how often the same place.

    Pairs come back with their sides swapped: who chooses by the place, not by the text, agrees
    with the place and not with themselves. Pairs without a preference in either answer are left
    out of the places.
    """
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(AGAIN, {"campaign": campaign.pk})
        for labeler, answers, same, decided, place in cursor.fetchall():
            again = statistics.share(same, answers)
            if again is not None:
                found[labeler] = (again, statistics.share(place, decided))
    return found


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
    gold = gold_shares(campaign)
    answers = dict(
        Tally.objects.filter(campaign=campaign, labeler__isnull=False)
        .values_list("labeler")
        .annotate(Sum("answers"))
        .order_by()
    )
    again = self_agreement(campaign)
    holds = {hold.labeler_id: hold for hold in open_holds(campaign).select_related("placed_by")}
    members = dict(campaign.memberships.filter(role="labeler").values_list("user", "qualified_at"))
    people = User.objects.filter(
        Q(pk__in=list(members)) | Q(pk__in=list(answers)) | Q(pk__in=list(holds))
    ).order_by("username")

    return [
        LabelerQuality(
            labeler=person,
            answers=answers.get(person.pk, 0),
            gold=gold["silent"].get(person.pk),
            attention=gold["attention"].get(person.pk),
            again=again.get(person.pk, (None, None))[0],
            same_place=again.get(person.pk, (None, None))[1],
            test=gold["test"].get(person.pk),
            qualified_at=members.get(person.pk),
            hold=holds.get(person.pk),
        )
        for person in people
    ]
