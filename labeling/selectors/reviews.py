"""Which pairs a reviewer should look at: found by the database, and by what votes say together."""

from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from labeling.models import Assignment, Campaign, Judgment, Membership, ReviewItem, User
from labeling.selectors.agreement import DATA, rows
from labeling.selectors.votes import votes_of
from labeling.statistics.skill import fit_skill

Reason = ReviewItem.Reason
UNSURE = 0.6  # of any outcome: below it nobody would bet on what the votes say together
# Gold has its answer.
OPEN = """
c.campaign_id = %(campaign)s
AND NOT EXISTS (SELECT FROM labeling_goldquestion g WHERE g.comparison_id = c.id)
"""
# Of each pair how even its votes are: 0 where all say the same, 1/2 where as many say the opposite.
# A group is as uneven as its pairs are on average, and stands under its leading pair, which was
# made first.
DIVIDED = f"""
SELECT coalesce(min(comparison_id) FILTER (WHERE grouped IS NULL), (
           SELECT min(id) FROM labeling_comparison WHERE group_id = grouped
       )), avg(CASE WHEN one + other > 0 THEN least(one, other)::float / (one + other) ELSE 0 END)
FROM (
    SELECT s.comparison_id, c.group_id AS grouped, count(*) FILTER (WHERE s.preference < 0) AS one,
           count(*) FILTER (WHERE s.preference > 0) AS other
    FROM ({DATA}) s JOIN labeling_comparison c ON c.id = s.comparison_id WHERE {OPEN}
    GROUP BY 1, 2
) votes
GROUP BY grouped, CASE WHEN grouped IS NULL THEN comparison_id END
HAVING bool_or(one > 0 AND other > 0)
ORDER BY 2 DESC, 1
"""  # noqa: S608
PASSED_ON = f"""
SELECT s.comparison_id, count(*)::float
FROM labeling_skip s JOIN labeling_comparison c ON c.id = s.comparison_id WHERE {OPEN}
GROUP BY 1 HAVING count(*) > 1 OR bool_or(s.reason IN ('broken', 'harmful'))
ORDER BY 2 DESC, 1
"""  # noqa: S608
FLAGGED = f"""
SELECT s.comparison_id, count(*)::float
FROM ({DATA}) s JOIN labeling_judgment j ON j.id = s.id AND j.flags <> '{{}}'
     JOIN labeling_comparison c ON c.id = s.comparison_id WHERE {OPEN}
GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608
MOST = 500  # pairs of one reason in the queue: a queue without end is no queue

Found = list[tuple[Any, ...]]  # (comparison, weight)


def worth_a_review(campaign: Campaign, judges: str) -> dict[str, Found]:
    """Comparisons by reason, those that matter most first; decided ones among them."""
    asked = {"campaign": campaign.pk, "judges": judges}
    divided: Found = rows(DIVIDED, asked)
    known = {pk for pk, _ in divided}
    found = {
        Reason.DISAGREEMENT: divided,
        Reason.UNSURE: [pair for pair in _unsure(campaign, judges) if pair[0] not in known],
        Reason.SKIPPED: rows(PASSED_ON, asked),
        Reason.FLAGGED: rows(FLAGGED, asked),
    }
    return {reason: pairs[:MOST] for reason, pairs in found.items()}


def _unsure(campaign: Campaign, judges: str) -> Found:
    """Pairs that two or more judged, of whom nobody can tell what they say together; no groups."""
    votes = votes_of(campaign, [judges])
    if votes is None:
        return []
    answers = votes.counts.sum(axis=1)
    if answers.max() < 2:
        return []
    sure = fit_skill(votes).shares.max(axis=1)
    pairs = set(
        campaign.comparisons.filter(group__isnull=True, gold__isnull=True).values_list(
            "pk", flat=True
        )
    )
    found = [
        (int(votes.pairs[at]), float(1 - sure[at]))
        for at in ((sure < UNSURE) & (answers > 1)).nonzero()[0]
        if int(votes.pairs[at]) in pairs
    ]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def decisions(campaign: Campaign) -> QuerySet[Judgment]:
    """Reviewers' decisions that stand."""
    return Judgment.objects.filter(
        comparison__campaign=campaign,
        purpose=Assignment.Purpose.REVIEW,
        superseded_by__isnull=True,
        retracted=False,
        tombstone__isnull=True,
    )


def waiting(campaign: Campaign, reviewer: User, reason: str = "") -> QuerySet[ReviewItem]:
    """Open items, of one reason or all; none of pairs that the reviewer judged or skipped."""
    own = Assignment.objects.filter(comparison=OuterRef("comparison"), labeler=reviewer)
    skipped = reviewer.skips.filter(comparison=OuterRef("comparison"))
    items = ReviewItem.objects.filter(
        ~Exists(own), ~Exists(skipped), campaign=campaign, closed_at__isnull=True
    )
    return (items.filter(reason=reason) if reason else items).order_by("reason", "-weight", "id")


def counts_by_reason(campaign: Campaign, reviewer: User) -> list[tuple[str, str, int]]:
    """(reason, its words, how many wait) for every reason there is."""
    counts = dict(
        waiting(campaign, reviewer).order_by().values_list("reason").annotate(Count("id"))
    )
    return [(value, str(words), counts.get(value, 0)) for value, words in Reason.choices]


def to_review(reviewer: User) -> list[tuple[Campaign, int]]:
    """Campaigns that this user reviews as a member, with how many pairs wait there."""
    campaigns = Campaign.objects.filter(
        memberships__user=reviewer,
        memberships__role__in=[Membership.Role.REVIEWER, Membership.Role.MANAGER],
        archived_at__isnull=True,
    )
    counted = [(campaign, waiting(campaign, reviewer).count()) for campaign in campaigns]
    return [(campaign, count) for campaign, count in counted if count]


def other_answers(item: ReviewItem) -> QuerySet[Judgment]:
    """What was answered to an item's pair or group and stands, reviews last; not who answered."""
    return (
        Judgment.objects.filter(
            comparison=item.comparison_id,
            superseded_by__isnull=True,
            retracted=False,
            tombstone__isnull=True,
        )
        .select_related("ranking")
        .order_by("purpose", "id")
    )
