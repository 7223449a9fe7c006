from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import salted_hmac
from numpy.typing import NDArray

from labeling import errors
from labeling.models import (
    Act,
    Assignment,
    Campaign,
    EventKind,
    Judgment,
    Snapshot,
    SnapshotJudgment,
    User,
)
from labeling.selectors.judgments import (
    about_two_texts,
    current_judgments,
    with_what_was_judged,
)
from labeling.selectors.votes import votes_of
from labeling.services import audit
from labeling.services.events import announce
from labeling.services.freezing import Frozen, freeze
from labeling.splits import SPLIT, split_of
from labeling.statistics.aggregation import Method, aggregate

Purpose = Assignment.Purpose
AGGREGATION = {
    Method.SHARES: "share of votes; a tie, both good and both bad are half a vote to each "
    "and are counted as ties beside it; undecided pairs are kept",
    Method.MAJORITY: "what most votes say: first, neither or second; shared out evenly where "
    "several have most",
    Method.SKILL: "how a labeler of median skill without side bias would answer: Bradley-Terry "
    "with each labeler's skill and side bias, ties as Davidson has them",
    Method.DAWID_SKENE: "Dawid-Skene over first, neither and second (crowd-kit)",
    Method.MACE: "MACE over first, neither and second (crowd-kit)",
    Method.GLAD: "GLAD over first, neither and second (crowd-kit)",
}
REVIEWED = "; where a reviewer decided, that decision alone"


def take_snapshot(
    *,
    campaign: Campaign,
    kinds: Sequence[str] = (Judgment.JudgeKind.PERSON,),
    method: str = Method.SHARES,
    by: User | None,
) -> Snapshot:
    """Freeze the answers that stand now. The same answers give the same snapshot again.

    Methods other than shares of votes take a worker's time and memory: pages order them.

    Raises:
        NothingJudged: there is no answer to aggregate.
    """
    recipe = {
        "judge_kinds": sorted(kinds),
        "method": str(method),
        "aggregation": AGGREGATION[Method(method)] + REVIEWED,
        "split": SPLIT,
    }
    consensus = None if method == Method.SHARES else _consensus(campaign, kinds, Method(method))
    frozen = freeze(_rows(campaign, kinds, consensus), folder="snapshots")
    return _record(campaign, frozen, recipe, by)


@dataclass(frozen=True)
class Consensus:
    """What all judges together say about each pair."""

    method: Method
    pairs: NDArray[np.int64]  # (P,), rising
    chances: NDArray[np.float64]  # first, neither, second: (P, 3)

    def of(self, comparison: int) -> tuple[float, float, float] | None:
        """None for a pair that was first judged while the consensus was being found."""
        at = int(np.searchsorted(self.pairs, comparison))
        if at == len(self.pairs) or self.pairs[at] != comparison:
            return None
        first, neither, second = self.chances[at].tolist()
        return first, neither, second


def _consensus(campaign: Campaign, kinds: Sequence[str], method: Method) -> Consensus:
    votes = votes_of(campaign, kinds)
    if votes is None:
        raise errors.NothingJudged
    return Consensus(method, votes.pairs, aggregate(votes, method))


@transaction.atomic
def _record(
    campaign: Campaign, frozen: Frozen, recipe: dict[str, Any], by: User | None
) -> Snapshot:
    snapshot, created = Snapshot.objects.get_or_create(
        campaign=campaign,
        digest=frozen.digest,
        defaults={
            "artifact_url": frozen.url,
            "recipe": recipe,
            "train_pairs": frozen.counts["train"],
            "test_pairs": frozen.counts["test"],
            "created_by": by,
        },
    )
    if created:
        SnapshotJudgment.objects.bulk_create(
            (SnapshotJudgment(snapshot=snapshot, judgment_id=pk) for pk in frozen.used),
            batch_size=5000,
        )
        audit.record(
            actor=by,
            act=Act.SNAPSHOT_TAKEN,
            subject=snapshot,
            details={
                "digest": frozen.digest,
                **frozen.counts,
                "judge_kinds": recipe["judge_kinds"],
            },
        )
        announce(
            EventKind.SNAPSHOT,
            campaign,
            {"snapshot": snapshot.pk, "digest": frozen.digest, **frozen.counts},
            snapshot.created_at,
            reverse("labeling:campaign", args=[campaign.pk]),
        )
    return snapshot


def _rows(
    campaign: Campaign, kinds: Sequence[str], consensus: Consensus | None
) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """One row a judged comparison, in a fixed order, and the judgments it was made from."""
    known = current_judgments(campaign, kinds, [Purpose.DATA, Purpose.REVIEW])
    judgments = (
        with_what_was_judged(about_two_texts(known))
        .prefetch_related("assignment")
        .order_by("comparison_id", "id")
        .iterator(chunk_size=1000)
    )
    for pk, together in groupby(judgments, key=attrgetter("comparison_id")):
        judged = list(together)
        votes = [judgment for judgment in judged if judgment.purpose == Purpose.DATA]
        reviews = [judgment for judgment in judged if judgment.purpose == Purpose.REVIEW]
        used = [judgment.pk for judgment in judged]
        if reviews:
            row = _row(judged, votes, campaign.strength, _decided(reviews[-1]))
            # Without votes, so that nothing that reads them speaks in the reviewer's place.
            unvoted = {"votes": [0, 0, 0], "ballots": [], "votes_before_review": row["votes"]}
            yield {**row, **unvoted, "method": "review"}, used
        elif consensus is None:
            yield _row(judged, votes, campaign.strength), used
        elif chances := consensus.of(pk):
            # With the method's name no two of them give the same content, and recipes stay true.
            row = _row(judged, votes, campaign.strength, chances)
            yield {**row, "method": str(consensus.method)}, used


def _decided(review: Judgment) -> tuple[float, float, float]:
    """A reviewer's decision as chances of first, neither and second."""
    return (
        float(review.preference < 0),
        float(review.preference == 0),
        float(review.preference > 0),
    )


def _row(
    judged: list[Judgment],
    votes: list[Judgment],
    strength: int,
    consensus: tuple[float, float, float] | None = None,
) -> dict[str, Any]:
    """What the votes on one comparison say together, or the consensus that was found of them.

    A reviewer's decision is no vote, but speaks where there is none. `preference` is the chance of
    `chosen`, half of each tie included; `tie` is the chance that neither is better. At one half it
    says nothing which of the two is called chosen: the one preferred more strongly, or else the
    first.
    """
    comparison = judged[0].comparison
    counts = _counts(votes)
    share, ties = _of_votes(counts) if consensus is None else _of_chances(consensus)
    told = votes or judged
    mean = sum(v.preference for v in told) / len(told)
    second_wins = (share, mean) > (0.5, 0)
    sides = comparison.first, comparison.second
    chosen, rejected = sides[::-1] if second_wins else sides
    return {
        "id": comparison.pk,
        "group": comparison.group_id,  # of responses ranked together; empty for a pair by itself
        "split": split_of(comparison.prompt.digest),
        "category": comparison.prompt.category,
        "prompt": comparison.prompt.messages,
        "chosen": chosen.text,
        "rejected": rejected.text,
        "chosen_policy": chosen.policy.slug,
        "rejected_policy": rejected.policy.slug,
        "preference": share if second_wins else 1 - share,
        "tie": ties,
        "votes": counts[::-1] if second_wins else counts,
        "margin": max(0.0, (mean if second_wins else -mean) / strength),
        "ballots": [_ballot(vote, chosen == comparison.first) for vote in votes],
        **_aspects(votes, second_wins),
        "weight": 1.0,
    }


def _counts(votes: list[Judgment]) -> list[int]:
    """Votes for the first, for neither and for the second."""
    for_first = sum(vote.preference < 0 for vote in votes)
    for_second = sum(vote.preference > 0 for vote in votes)
    return [for_first, len(votes) - for_first - for_second, for_second]


def _of_votes(counts: list[int]) -> tuple[float, float]:
    """The second's share, half of each tie included, and that of ties."""
    _, neither, second = counts
    ties = neither / sum(counts)
    return second / sum(counts) + ties / 2, ties


def _of_chances(chances: tuple[float, float, float]) -> tuple[float, float]:
    """The same from the chances of first, neither and second."""
    _, neither, second = chances
    return second + neither / 2, neither


def _ballot(vote: Judgment, first_chosen: bool) -> tuple[str, int, int]:
    """Who answered, how strongly for the chosen response, and on which side that was shown.

    The name tells the same labeler again within this installation, and to nobody else who it is.
    The side is 1 for the left, -1 for the right, and 0 where there were no sides: in a ranking, and
    in answers from elsewhere.
    """
    who = vote.labeler_id or f"{vote.imported_from_id} {vote.ai_judge_id} {vote.annotator}"
    name = salted_hmac("labeling.snapshots.ballot", str(who), algorithm="sha256").hexdigest()[:12]
    answer = -vote.preference if first_chosen else vote.preference
    if vote.assignment is None or vote.comparison.group_id is not None:
        return name, answer, 0
    return name, answer, 1 if vote.assignment.first_on_left == first_chosen else -1


def _aspects(votes: list[Judgment], second_wins: bool) -> dict[str, Any]:
    """For each aspect that somebody judged, the share that prefers the chosen response in it."""
    said: dict[str, list[int]] = {}
    for vote in votes:
        for name, preference in vote.aspects.items():
            said.setdefault(name, []).append(preference if second_wins else -preference)
    shares = {
        name: sum((each > 0) + (each == 0) / 2 for each in towards) / len(towards)
        for name, towards in sorted(said.items())
    }
    return {"aspects": shares} if shares else {}
