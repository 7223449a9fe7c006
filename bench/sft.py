"""What SFT on the demo's own answers costs and brings, on the real model.

    python -m bench sft                        LoRA and all weights, two passes each: 6 minutes
    python -m bench sft --tuning full --epochs 1 --json out.json

The chosen answers of labeling/demo/preferences.jsonl are the demonstrations; 15 % of the prompts
are held out, so that no prompt is on both sides. It is the program that the product runs, in a
process of its own.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rewardmodel.learning.rundirectory import write_json, write_rows

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "labeling" / "demo" / "preferences.jsonl"
TEST_SHARE = 0.15


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--tuning", choices=["lora", "full"], nargs="+", default=["lora", "full"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, help="learning rate; else the default of the tuning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def main() -> None:
    """Teach the model once for each tuning, print a table and two answers before and after."""
    asked = arguments()
    arms = [taught(asked, tuning) for tuning in asked.tuning]
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": os.getloadavg()[0],
        "command": " ".join(["python -m bench sft", *sys.argv[1:]]),
        "arms": arms,
    }
    show(arms)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def taught(asked: argparse.Namespace, tuning: str) -> dict[str, Any]:
    """Run the program to its end and tell its figures."""
    with tempfile.TemporaryDirectory(prefix="accord-sft-") as folder:
        directory = Path(folder)
        rows = list(demonstrations())
        write_rows(directory / "data.jsonl", rows)
        config = {"program": "sft", "model": str(asked.model), "tuning": tuning}
        config |= {"epochs": asked.epochs, "seed": asked.seed}
        if asked.rate:
            config["learning_rate"] = asked.rate
        write_json(directory / "config.json", config)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rlhf.learning.sft", folder], cwd=ROOT, check=True)
        seconds = time.perf_counter() - started
        metrics = lines(directory / "metrics.jsonl")[1:]
        return {
            "tuning": tuning,
            **json.loads((directory / "result" / "result.json").read_text(encoding="utf-8")),
            "seconds": seconds,
            "seconds_a_step": sum(line["seconds"] for line in metrics) / len(metrics),
            "tokens_per_second": sum(line["tokens_per_second"] for line in metrics) / len(metrics),
            # Of the largest child so far, in KiB.
            "most_gib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
            "samples": lines(directory / "samples.jsonl"),
        }


def demonstrations() -> Iterator[dict[str, Any]]:
    """The demo's chosen answers; the prompt alone decides which side a row is on."""
    with ANSWERS.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            draw = hashlib.sha256(json.dumps(row["prompt"]).encode()).digest()
            held_out = int.from_bytes(draw[:8]) / 2**64 < TEST_SHARE
            yield {
                "id": number,
                "split": "test" if held_out else "train",
                "prompt": row["prompt"],
                "completion": row["chosen"],
            }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def show(arms: list[dict[str, Any]]) -> None:
    print(
        "\n| tuning | learned | held out | loss before | after | steps | s a step | tokens/s | s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for arm in arms:
        print(
            f"| {arm['tuning']} | {arm['train_demonstrations']} | {arm['test_demonstrations']} "
            f"| {arm['test_loss_before']:.3f} | {arm['test_loss_after']:.3f} | {arm['steps']} "
            f"| {arm['seconds_a_step']:.1f} | {arm['tokens_per_second']:.0f} "
            f"| {arm['seconds']:.0f} |"
        )
    for arm in arms:
        print(f"\n{arm['tuning']}: at most {arm['most_gib']:.1f} GiB so far; answers:")
        for sample in arm["samples"]:
            print(f"  [{sample['prompt_id']}] step {sample['step']}: {sample['text'][:200]!r}")


if __name__ == "__main__":
    main()
