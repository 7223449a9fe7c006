"""How good a reward model becomes beside one that TRL trained, on the same folds and pairs.

    python -m bench reward_folds hh_harmless.jsonl.gz --pairs 640 --into folds/

Folds are by prompt, as in bench/reward.py. For each of them both sides learn from the same pairs,
drawn at random from the other folds, and judge every pair of the fold. Accord is the program's
default (a head on frozen layers). TRL is RewardTrainer as shipped, all weights, once through, with
batches of pairs of like length, so that it pads little. A fold's judgments are written to a file of
their own in --into; a fold that is there already is not run again, so the command can be stopped
and repeated, and `--only` lets two of them share the work.
"""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from bench import beside_trl, reward
from labeling.statistics.shares import PairedDifference, paired_difference, share
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.pairs import Example, Pair, fit
from rewardmodel.learning.settings import RewardTraining

OURS, TRL = "Accord", "TRL"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="pairs as JSONL, gzip or not")
    parser.add_argument(
        "--model", type=Path, default=reward.ROOT / "var/models/SmolLM2-135M-Instruct"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="*", help="these folds; without it all of them")
    parser.add_argument("--pairs", type=int, help="training pairs of a fold; without it all")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--into", type=Path, required=True, help="a folder for the judgments")
    return parser.parse_args()


def main() -> None:
    """Run the folds that are missing, then compare over all that are there."""
    asked = arguments()
    asked.into.mkdir(parents=True, exist_ok=True)
    config = RewardTraining(evaluate_every=0)
    chat = Chat(AutoTokenizer.from_pretrained(asked.model))
    rows = {row["id"]: row for row in reward.snapshot(asked.data)}
    pairs = [Pair(**row, split="train") for row in rows.values()]
    examples = fit(pairs, chat, config.max_length).examples
    fold_of = {name: int(reward.place(row) * asked.folds) for name, row in rows.items()}
    kept: dict[int, Any] = {}
    for fold in range(asked.folds) if asked.only is None else asked.only:
        file = asked.into / f"fold-{fold}.json"
        if file.exists():
            continue
        learned = [each for each in examples if fold_of[each.pair.id] != fold]
        random.Random(fold).shuffle(learned)
        learned = learned[: asked.pairs]
        held_out = [each for each in examples if fold_of[each.pair.id] == fold]
        found = one_fold(asked, chat, config, learned, held_out, kept)
        file.write_text(json.dumps({"fold": fold, **found}) + "\n")
    show([json.loads(file.read_text()) for file in sorted(asked.into.glob("fold-*.json"))])


def one_fold(
    asked: argparse.Namespace,
    chat: Chat,
    config: RewardTraining,
    learned: list[Example],
    held_out: list[Example],
    kept: dict[int, Any],
) -> dict[str, Any]:
    """Leads of the chosen response, for each pair of the fold, by both sides."""
    started = time.perf_counter()
    ours = reward.learned_scores(asked.model, chat, config, learned, held_out, kept)
    between = time.perf_counter()
    theirs = beside_trl.trl(
        asked.model,
        asked.batch,
        int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        [vars(each.pair) for each in of_like_length(learned, asked.batch)],
        arm=beside_trl.SHIPPED,
        test=[vars(each.pair) for each in held_out],
        max_length=config.max_length,
    )
    return {
        "train_pairs": len(learned),
        "pairs": [each.pair.id for each in held_out],
        OURS: (ours[:, 0] - ours[:, 1]).tolist(),
        TRL: [chosen - rejected for chosen, rejected in theirs["scores"]],
        "learning_rate": theirs["learning_rate"],
        "seconds": {OURS: between - started, TRL: time.perf_counter() - between},
    }


def of_like_length(examples: list[Example], batch: int) -> list[Example]:
    """Batches of pairs of like length, in an order drawn at random."""
    ordered = sorted(examples, key=lambda example: example.group.length)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    random.Random(0).shuffle(batches)
    return [example for each in batches for example in each]


def show(folds: list[dict[str, Any]]) -> None:
    """A row for each fold and one for all of them, as every pair was held out once."""
    rows = [row(fold["fold"], [fold]) for fold in folds]
    reward.print_table([*rows, row("all", folds)])
    print(json.dumps({"command": " ".join(["python -m bench reward_folds", *sys.argv[1:]])}))


def row(name: object, folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Both accuracies with their intervals, and the difference on the same pairs with its own."""
    ours = [lead > 0 for fold in folds for lead in fold[OURS]]
    theirs = [lead > 0 for fold in folds for lead in fold[TRL]]
    only_ours = sum(one and not other for one, other in zip(ours, theirs, strict=True))
    only_theirs = sum(other and not one for one, other in zip(ours, theirs, strict=True))
    difference = paired_difference(only_ours, only_theirs, len(ours))
    assert isinstance(difference, PairedDifference)
    cells: dict[str, Any] = {
        "fold": name,
        "train": sum(fold["train_pairs"] for fold in folds),
        "test": len(ours),
    }
    for side, right in ((OURS, ours), (TRL, theirs)):
        found = share(sum(right), len(right))
        assert found is not None
        cells |= {side: found.value, f"{side} low": found.low, f"{side} high": found.high}
    return cells | {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
        "TRL minutes": sum(fold["seconds"][TRL] for fold in folds) / 60,
    }


if __name__ == "__main__":
    main()
