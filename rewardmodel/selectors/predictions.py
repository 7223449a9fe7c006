"""What reward models said about held-out pairs, and how two of them compare."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labeling import artifacts
from labeling.models import Comparison
from labeling.statistics import PairedDifference, paired_difference
from rewardmodel.models import RewardModel

SURE = 0.75  # of a label: from here on people are taken to be sure of it


def predictions(run: RewardModel) -> dict[int, dict[str, Any]]:
    """What a finished run says about each of its held-out pairs, by comparison.

    Empty for models that were trained before this was kept, or whose result is gone.
    """
    if not run.checkpoint:
        return {}
    try:
        with artifacts.open_artifact(f"{run.checkpoint}/predictions.jsonl") as file:
            rows = [json.loads(line) for line in file]
    except FileNotFoundError:
        return {}
    return {row["id"]: row for row in rows}


def digest(text: str) -> str:
    """How a prediction names the response that was chosen."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_card(run: RewardModel) -> str:
    """The Markdown that lies beside the weights; empty where there is none."""
    if not run.checkpoint:
        return ""
    try:
        with artifacts.open_artifact(f"{run.checkpoint}/README.md") as file:
            return file.read().decode("utf-8")
    except FileNotFoundError:
        return ""


@dataclass(frozen=True)
class Duel:
    """Two models on the pairs that both have held out."""

    one: RewardModel
    other: RewardModel
    both_right: int
    only_one: int
    only_other: int
    neither: int

    @property
    def pairs(self) -> int:
        return self.both_right + self.only_one + self.only_other + self.neither

    @property
    def difference(self) -> PairedDifference | None:
        return paired_difference(self.only_one, self.only_other, self.pairs)

    @property
    def accuracy_one(self) -> float:
        return (self.both_right + self.only_one) / self.pairs

    @property
    def accuracy_other(self) -> float:
        return (self.both_right + self.only_other) / self.pairs


def duel(one: RewardModel, other: RewardModel) -> Duel:
    """Compare two models pair by pair, by the labels of whichever snapshot is newer.

    Neither has learned from these pairs: the split is by prompt and the same in every snapshot.
    """
    newer, older = (one, other) if one.snapshot_id >= other.snapshot_id else (other, one)
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for newer_right, older_right in _verdicts(predictions(newer), predictions(older)):
        verdict = (newer_right, older_right) if newer is one else (older_right, newer_right)
        counts[verdict] += 1
    return Duel(
        one,
        other,
        both_right=counts[True, True],
        only_one=counts[True, False],
        only_other=counts[False, True],
        neither=counts[False, False],
    )


def _verdicts(
    newer: dict[int, dict[str, Any]], older: dict[int, dict[str, Any]]
) -> Iterator[tuple[bool, bool]]:
    """Whether each was right, on pairs that both saw and on which people decided."""
    for pk in newer.keys() & older.keys():
        row, before = newer[pk], older[pk]
        if row["preference"] <= 0.5:
            continue
        lead = before["scores"][0] - before["scores"][1]
        if before["chosen"] != row["chosen"]:  # people have changed their mind since
            lead = -lead
        yield row["scores"][0] > row["scores"][1], lead > 0


def surprises(run: RewardModel) -> list[tuple[int, float, dict[str, Any]]]:
    """Held-out pairs on which a model contradicts people who were sure.

    Returns:
        (comparison, how far its score of the response that people rejected is ahead, details).
    """
    said = predictions(run)
    found = {
        pk: row["scores"][1] - row["scores"][0]
        for pk, row in said.items()
        if row["preference"] >= SURE and row["scores"][1] > row["scores"][0]
    }
    firsts = Comparison.objects.filter(pk__in=found, campaign=run.snapshot.campaign_id)
    return [
        (
            pk,
            found[pk],
            {
                "reward_model": run.pk,
                "prefers_first": digest(first) != said[pk]["chosen"],
            },
        )
        for pk, first in firsts.values_list("pk", "first__text")
    ]


def comparable(run: RewardModel) -> list[RewardModel]:
    """Finished models of the same campaign that have held out the same pairs, newest first."""
    return list(
        RewardModel.objects.filter(
            snapshot__campaign=run.snapshot.campaign_id,
            status=RewardModel.Status.SUCCEEDED,
            learns_held_out=run.learns_held_out,
        ).exclude(pk=run.pk)
    )
