"""How good a reward model becomes, and how fast it learns on this machine.

    python bench/reward.py quality hh_harmless.jsonl.gz --folds 5
    python bench/reward.py quality hh_harmless.jsonl.gz --set trainable=lora
    python bench/reward.py quality hh_harmless.jsonl.gz --folds 7 --turned
    python bench/reward.py speed hh_harmless.jsonl.gz
    python bench/reward.py trl hh_harmless.jsonl.gz --json out.json

The file holds pairs of HH-RLHF, or prompt, chosen and rejected apart; gzip or not. Folds are by
prompt, so no prompt is on both sides. Turned round, a fold is learned and all others are measured
on, as a held-out model does. One fold holds out 15% of the prompts and is the training
program itself, with all that it costs; several folds share what a frozen trunk reads. Every arm is
a process of its own, so that its memory is its own. Beside TRL: bench/beside_trl.py; a second call
with the same --json adds its runs to those of the first.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import beside_trl  # noqa: E402
from bench.trl_environment import ALLOCATOR  # noqa: E402
from rewardmodel.learning.rundirectory import write_json, write_rows  # noqa: E402

HELD_OUT = 0.15  # share of the prompts when there is one fold
COLUMNS = {
    "train_pairs": "train_pairs",
    "test_pairs": "test_pairs",
    "accuracy": "accuracy",
    "accuracy_low": "accuracy_low",
    "accuracy_high": "accuracy_high",
    "words": "words_baseline",
    "length": "length_baseline",
    "ece": "calibration_error_scaled",
}
ARMS: dict[str, dict[str, Any]] = {
    "full, padded": {"trainable": "full", "packing": False},
    "full, packed": {"trainable": "full"},
    "lora": {"trainable": "lora"},
    "top 8 layers": {"trainable": "top"},
    "head, padded": {"trainable": "head", "packing": False},
    "head (default)": {"trainable": "head"},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["quality", "speed", "trl"])
    parser.add_argument("data", type=Path, help="pairs as JSONL, gzip or not")
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--turned", action="store_true", help="learn one fold, measure on the rest")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto")
    parser.add_argument("--batch", type=int, default=8, help="pairs per step, for speed")
    parser.add_argument("--steps", type=int, default=3, help="timed steps after the first")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each arm, beside TRL")
    parser.add_argument("--by-length", action="store_true", help="batches of like length")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print a table, and write the same figures as JSON."""
    asked = arguments()
    if asked.arm:
        print(json.dumps(one_arm(asked)))
        return
    load = os.getloadavg()[0]
    rows = {"quality": quality, "speed": speed, "trl": trl}[asked.what](asked)
    report = {
        "command": " ".join(["python", "bench/reward.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load_before": load,
        "rows": rows,
        **({"runs": asked.runs} if asked.what == "trl" else {}),
    }
    print_table(rows)
    print(json.dumps(report))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")


def snapshot(path: Path) -> Iterator[dict[str, Any]]:
    """Pairs of a file, HH-RLHF's or with separate prompts, as rows of a snapshot without a split.

    Pairs whose conversations differ before the last turn, and empty or equal answers, are left out.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            if "prompt" in row:  # the demo's own pairs
                yield {"id": number, **row}
                continue
            chosen, rejected = (turns(row[side]) for side in ("chosen", "rejected"))
            said = [message["content"] for message in [*chosen, *rejected]]
            if chosen[:-1] == rejected[:-1] and chosen[-1] != rejected[-1] and all(said):
                answers = {"chosen": chosen[-1]["content"], "rejected": rejected[-1]["content"]}
                yield {"id": number, "prompt": chosen[:-1], **answers}


def turns(text: str) -> list[dict[str, str]]:
    """The messages of a conversation in which each turn begins with Human: or Assistant:."""
    parts = re.split(r"\n\n(Human|Assistant): ?", text)[1:]
    names = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": names[name], "content": said.strip()}
        for name, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def place(row: dict[str, Any]) -> float:
    """Where a prompt stands between 0 and 1: the same for all its pairs, and at random."""
    digest = hashlib.sha256(json.dumps(row["prompt"]).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def quality(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Accuracy on held-out prompts: of the program on one fold, or of every fold in turn."""
    rows = list(snapshot(asked.data))
    chosen = settings(asked)
    if asked.folds == 1:
        with tempfile.TemporaryDirectory() as folder:
            return [trained(Path(folder), rows, asked, chosen)]
    table = crossed(rows, asked, chosen)
    if asked.turned:
        return table  # a pair is measured on by several models, so folds are no more trials
    return [*table, {"fold": "all", **pooled(table)}]


def settings(asked: argparse.Namespace) -> dict[str, Any]:
    """What --set says, by name."""
    return {name: _value(text) for name, text in (each.split("=", 1) for each in asked.set)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def trained(
    folder: Path,
    rows: list[dict[str, Any]],
    asked: argparse.Namespace,
    chosen: dict[str, Any],
) -> dict[str, Any]:
    """Run the training program once and say what came of it."""
    config = {"program": "reward", "model": str(asked.model), "precision": asked.precision}
    write_json(folder / "config.json", {**config, **chosen})
    write_rows(
        folder / "data.jsonl",
        (
            {**row, "split": "test" if (place(row) < HELD_OUT) != asked.turned else "train"}
            for row in rows
        ),
    )
    started = time.perf_counter()
    run([sys.executable, "-m", "rewardmodel.learning", str(folder)])
    seconds = time.perf_counter() - started
    found = json.loads((folder / "result" / "result.json").read_text())
    pairs = found["train_pairs"] + found["test_pairs"]
    return {
        **{column: found[name] for column, name in COLUMNS.items()},
        "seconds": seconds,
        "pairs/s": pairs / seconds,
        "GB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
    }


def crossed(
    rows: list[dict[str, Any]], asked: argparse.Namespace, chosen: dict[str, Any]
) -> list[dict[str, Any]]:
    """Train on all folds but one, for each, or on one alone; a frozen trunk reads a pair once."""
    from transformers import AutoTokenizer

    from rewardmodel.learning.conversations import Chat
    from rewardmodel.learning.evaluation import figures
    from rewardmodel.learning.pairs import Pair, fit
    from rewardmodel.learning.settings import RewardTraining

    config = RewardTraining(**{"precision": asked.precision, "evaluate_every": 0, **chosen})
    chat = Chat(AutoTokenizer.from_pretrained(asked.model))
    fold_of = {row["id"]: int(place(row) * asked.folds) for row in rows}
    pairs = [Pair(**row, split="train") for row in rows]
    examples = fit(pairs, chat, config.max_length).examples
    kept: dict[int, Any] = {}
    table = []
    for fold in range(asked.folds):
        learned = [e for e in examples if (fold_of[e.pair.id] == fold) == asked.turned]
        held_out = [e for e in examples if (fold_of[e.pair.id] == fold) != asked.turned]
        started = time.perf_counter()
        scores = learned_scores(asked.model, chat, config, learned, held_out, kept)
        found = figures(scores, [e.pair for e in learned], [e.pair for e in held_out])
        seconds = time.perf_counter() - started
        told = {column: found[name] for column, name in COLUMNS.items()}
        table.append({"fold": fold, **told, "seconds": seconds})
    return table


def learned_scores(
    model: Path, chat: Any, config: Any, learned: list[Any], held_out: list[Any], kept: dict
) -> Any:
    """Train on some pairs and score others, (n, 2); `kept` holds what a frozen trunk has read."""
    import torch

    from rewardmodel.learning.learner import Learner
    from rewardmodel.learning.model import RewardModel, load_trunk
    from rewardmodel.learning.training import score, train

    torch.manual_seed(config.seed)
    trunk = load_trunk(model, config.trunk_share)
    learner = Learner(
        config, RewardModel(trunk, chat.padding, heads=len(config.head_names)), learned
    )
    learner.kept = kept if learner.kept is not None else None
    for _ in train(config, learner, learned, []):
        pass
    return score(learner, held_out, config).numpy()


def pooled(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """All folds as one test: every pair was held out once."""
    from scipy.stats import binomtest

    tested = sum(fold["test_pairs"] for fold in folds)

    def over_all(name: str) -> float:
        return sum(fold[name] * fold["test_pairs"] for fold in folds) / tested

    accuracy = over_all("accuracy")
    low, high = binomtest(round(accuracy * tested), tested).proportion_ci(0.95, method="wilson")
    return {
        "test_pairs": tested,
        "accuracy": accuracy,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        **{name: over_all(name) for name in ("words", "length", "ece")},
        "seconds": sum(fold["seconds"] for fold in folds),
    }


def speed(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of a training step in each way of learning."""
    command = [sys.executable, __file__, *sys.argv[1:]]
    return [json.loads(run([*command, "--arm", arm]).splitlines()[-1]) for arm in asked.arms]


def one_arm(asked: argparse.Namespace) -> dict[str, Any]:
    """Time steps over pairs that were not seen before; the first one is not counted."""
    from rewardmodel.learning.learner import Learner
    from rewardmodel.learning.model import RewardModel, load_trunk
    from rewardmodel.learning.settings import RewardTraining
    from rewardmodel.learning.training import learn

    chosen = {**ARMS[asked.arm], **settings(asked)}
    config = RewardTraining(**{"precision": asked.precision, **chosen, "batch_size": asked.batch})
    chat, examples = timed_examples(asked)
    trunk = load_trunk(asked.model, config.trunk_share)
    model = RewardModel(trunk, chat.padding, packing=config.packing, heads=len(config.head_names))
    learner = Learner(config, model, examples)
    seconds, processor, tokens = [], [], 0
    for step in range(asked.steps + 1):
        batch = examples[step * asked.batch : (step + 1) * asked.batch]
        started, worked = time.perf_counter(), time.process_time()
        learn(config, learner, batch)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - worked)
        tokens += sum(example.group.length for example in batch)
    return {
        "arm": asked.arm,
        "pairs/s": beside_trl.pairs_per_second(asked.batch, seconds),
        "seconds a step": statistics.median(seconds[1:]),
        "cpu seconds": statistics.median(processor[1:]),
        "tokens/pair": tokens / asked.batch / (asked.steps + 1),
        "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def timed_examples(asked: argparse.Namespace) -> tuple[Any, list[Any]]:
    """The tokenizer, and the pairs that are timed: drawn at random, none of them cut to fit."""
    from transformers import AutoTokenizer

    from rewardmodel.learning.conversations import Chat
    from rewardmodel.learning.pairs import Pair, fit
    from rewardmodel.learning.settings import RewardTraining

    chat = Chat(AutoTokenizer.from_pretrained(asked.model))
    rows = list(snapshot(asked.data))
    random.Random(0).shuffle(rows)
    wanted, length = asked.batch * (asked.steps + 1), RewardTraining().max_length
    pairs = [Pair(**row, split="train") for row in rows[: 2 * wanted]]
    whole = [each for pair in pairs if not (each := fit([pair], chat, length)).truncated_prompts]
    examples = [example for each in whole for example in each.examples][:wanted]
    if asked.by_length:
        examples.sort(key=lambda example: example.group.length)
    return chat, examples


def trl(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Training pairs per second, beside TRL; the runs so far are kept in the file of --json."""
    before = json.loads(asked.json.read_text()) if asked.json and asked.json.exists() else {}
    runs = before.get("runs", [])
    rows = [vars(example.pair) for example in timed_examples(asked)[1]]
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    ours = [sys.executable, __file__, *sys.argv[1:], "--arm", "full, packed"]
    for _ in range(asked.rounds):
        found = json.loads(run(ours).splitlines()[-1])
        told = "bf16 over fp32, packed, allocator tuned"
        runs.append({**found, "arm": beside_trl.OURS, "settings": f"{told}, {threads} threads"})
        for arm, (_, tuned) in beside_trl.TRL_ARMS.items():
            found = beside_trl.trl(asked.model, asked.batch, threads, rows, arm=arm)
            told = [
                f"{'bf16 over' if found['bf16'] else ''} {found['weights']}",
                f"gradient checkpointing {'on' if found['gradient_checkpointing'] else 'off'}",
                f"allocator {'tuned' if tuned else 'as it is'}",
                f"{found['threads']} threads",
            ]
            speed = beside_trl.pairs_per_second(asked.batch, found["seconds"])
            runs.append({**found, "arm": arm, "pairs/s": speed, "settings": ", ".join(told)})
        if asked.json:
            asked.json.write_text(json.dumps({"runs": runs}, indent=2) + "\n")
    asked.runs = runs
    return beside_trl.table(runs)


def run(command: list[str]) -> str:
    """Run a program of this repository to its end and return what it printed."""
    environment = {**os.environ, **ALLOCATOR, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, cwd=Path.cwd(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def print_table(rows: list[dict[str, Any]]) -> None:
    """Columns under their names; shares with three digits, times with fewer."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    print("| " + " | ".join(names) + " |")
    print("|" + " --- |" * len(names))
    for row in rows:
        cells = [row.get(name, "") for name in names]
        print(
            "| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells) + " |"
        )


if __name__ == "__main__":
    main()
