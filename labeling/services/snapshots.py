import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from labeling import artifacts
from labeling.models import Act, Campaign, Judgment, Snapshot, SnapshotJudgment, User
from labeling.selectors.judgments import (
    about_two_texts,
    current_judgments,
    with_what_was_judged,
)
from labeling.services import audit

TEST_SHARE = 0.15
SPLIT = {"by": "prompt", "seed": 0, "test_share": TEST_SHARE}


def split_of(prompt_digest: str, seed: int = 0, test_share: float = TEST_SHARE) -> str:
    """ "train" or "test", decided by the prompt alone: the same in every snapshot and run."""
    draw = hashlib.sha256(f"{seed}:{prompt_digest}".encode()).digest()
    return "test" if int.from_bytes(draw[:8]) / 2**64 < test_share else "train"


def take_snapshot(
    *, campaign: Campaign, kinds: Sequence[str] = (Judgment.JudgeKind.PERSON,), by: User | None
) -> Snapshot:
    """Freeze the answers that stand now. The same answers give the same snapshot again."""
    recipe = {
        "judge_kinds": sorted(kinds),
        "aggregation": "share of votes; a tie, both good and both bad are half a vote to each "
        "and are counted as ties beside it; undecided pairs are kept",
        "split": SPLIT,
    }
    frozen = freeze(_rows(campaign, kinds), folder="snapshots")
    return _record(campaign, frozen, recipe, by)


@dataclass(frozen=True)
class Frozen:
    """Rows in a file that never changes: where, how many of each split, and made from what."""

    digest: str  # of the file's bytes
    url: str
    counts: dict[str, int]
    used: list[int]


def freeze(rows: Iterable[tuple[dict[str, Any], list[int]]], folder: str) -> Frozen:
    """Write rows, each with the numbers of what it was made from, into an artifact of a folder."""
    counts = {"train": 0, "test": 0}
    used: list[int] = []
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row, made_from in rows:
                line = json.dumps(row, ensure_ascii=False) + "\n"
                file.write(line)
                digest.update(line.encode())
                counts[row["split"]] += 1
                used.extend(made_from)
        name = digest.hexdigest()
        url = artifacts.publish(path, f"{folder}/{name}.jsonl")
    return Frozen(name, url, counts, used)


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
    return snapshot


def _rows(campaign: Campaign, kinds: Sequence[str]) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """One row a judged comparison, in a fixed order, and the judgments it was made from."""
    judgments = (
        with_what_was_judged(about_two_texts(current_judgments(campaign, kinds)))
        .prefetch_related("assignment")
        .order_by("comparison_id", "id")
        .iterator(chunk_size=1000)
    )
    for _, votes in groupby(judgments, key=attrgetter("comparison_id")):
        together = list(votes)
        yield _row(together, campaign.strength), [vote.pk for vote in together]


def _row(votes: list[Judgment], strength: int) -> dict[str, Any]:
    """What the votes on one comparison say together.

    `preference` is the share for `chosen`, half of each tie included; `tie` is the share that
    preferred neither. At a share of one half it says nothing which of the two is called chosen:
    the one preferred more strongly, or else the first.
    """
    comparison = votes[0].comparison
    for_first, for_second = (sum(side * v.preference > 0 for v in votes) for side in (-1, 1))
    for_neither = len(votes) - for_first - for_second
    ties = for_neither / len(votes)
    share = for_second / len(votes) + ties / 2  # of the second
    mean = sum(v.preference for v in votes) / len(votes)
    second_wins = (share, mean) > (0.5, 0)
    chosen, rejected = (
        (comparison.second, comparison.first)
        if second_wins
        else (comparison.first, comparison.second)
    )
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
        "votes": [max(for_first, for_second), for_neither, min(for_first, for_second)],
        "margin": max(0.0, (mean if second_wins else -mean) / strength),
        "ballots": [_ballot(vote, chosen == comparison.first) for vote in votes],
        **_aspects(votes, second_wins),
        "weight": 1.0,
    }


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
