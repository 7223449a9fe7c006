"""Whether the shared trunk costs quality: reward against KL, beside two networks, over seeds.

    python -m bench frontier --only toy
    python -m bench frontier --pairs hh_harmless.jsonl.gz
    python -m bench frontier --pairs hh_harmless.jsonl.gz --table

Both modes learn from the same prompts with the same seeds, by the program's own code and with
vLLM's rollouts in the same process; one engine serves all runs, because every run begins by
handing it the parent's weights. Two rewards: a toy (how many of an answer's words begin with a
vowel, on the demo's prompts), and a reward model that the training program makes of --pairs with
its default settings (on the first turns of these pairs). Now and then a policy answers prompts that
it does not learn from, with the same seeds every time; these answers give a point of its curve.

Each finished run is a line of runs.jsonl in --folder and is not repeated, so the command may be
stopped and called again; a second process can take other rewards, modes or seeds.
"""

import argparse
import ctypes
import gc
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as student

from bench import reward
from bench.ppo import QUESTIONS, ROOT
from bench.trl_environment import ALLOCATOR

SIZES: dict[str, Any] = {
    "updates": 8,
    "batch_size": 16,
    "minibatch_size": 8,
    "max_response_tokens": 16,
    "stop_kl": 0.0,
}
# Rates that take both about as far; all else is the default, so that only the networks differ.
MODES: dict[str, dict[str, Any]] = {
    "default": {"learning_rate": 1.5e-3},
    "two networks": {
        "tuning": "full",
        "critic": "separate",
        "learning_rate": 1e-4,
        "value_learning_rate": 1e-5,
        "value_coef": 0.1,
    },
}
REWARDS = ("toy", "model")
SEEDS = range(5)
EVERY = 2  # updates between two points of a curve
ASKED = 24  # prompts that are kept from learning
# Said first in every conversation; the template's own words would be longer than most questions.
INSTRUCTION = {"role": "system", "content": "Answer."}
LONGEST = 32  # tokens of a prompt, template included
PLACES = 6  # at which the curves are compared
CONFIDENCE = 0.95

Point = tuple[float, float]  # nats an answer away from the reference, mean score


@dataclass(frozen=True)
class Run:
    """Which run it is."""

    reward: str
    mode: str
    seed: int


def main() -> None:
    """Do the runs that are not there yet, and compare all that are."""
    if not ALLOCATOR.items() <= os.environ.items():
        command = [sys.executable, "-m", "bench.frontier", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **ALLOCATOR})  # noqa: S606 - itself
    asked = arguments()
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "runs.jsonl"
    if not asked.table:
        do_runs(asked, file)
    for name in REWARDS:
        curves = curves_of(finished(file), name)
        if all(curves.values()):
            show(name, compared(curves["default"], curves["two networks"]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=Path, help="what the reward model learns from, as JSONL")
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--folder", type=Path, default=ROOT / "var/frontier")
    parser.add_argument("--only", nargs="+", choices=REWARDS, default=REWARDS, help="rewards")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--table", action="store_true", help="only compare what is there")
    return parser.parse_args()


def do_runs(asked: argparse.Namespace, file: Path) -> None:
    """All of the runs asked for, seed by seed, so that what is there can always be compared."""
    from transformers import AutoTokenizer

    from rlhf.generation.engine import VllmEngine

    if "model" in asked.only and asked.pairs is None:
        sys.exit("A reward model needs pairs to learn from: --pairs FILE, or --only toy.")
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    tasks = {name: task(asked, name, tokenizer) for name in asked.only}
    room = LONGEST + SIZES["max_response_tokens"]
    engine = VllmEngine(asked.model, max_tokens=max(room, 128), answers=ASKED)
    for seed, name, mode in product(asked.seeds, asked.only, asked.modes):
        one = Run(name, mode, seed)
        if one in finished(file):
            continue
        began, worked = time.perf_counter(), time.process_time()
        points = []
        for point in curve(asked.model, one, tokenizer, engine, *tasks[name]):
            points.append(point)
            print(*vars(one).values(), {k: round(v, 3) for k, v in point.items()}, flush=True)
        row = {
            **asdict(one),
            "points": points,
            "seconds": time.perf_counter() - began,
            "processor_seconds": time.process_time() - worked,
            "settings": {**SIZES, **MODES[mode]},
        }
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
        print(f"{row['seconds']:.0f} s, {row['processor_seconds']:.0f} of a processor", flush=True)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # two networks with their optimiser are 5 GiB


def task(asked: argparse.Namespace, name: str, tokenizer: Any) -> tuple[list[Any], Callable]:
    """Short prompts, and what is thought of answers to them."""
    if name == "toy":
        lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
        return short([json.loads(line)["messages"] for line in lines], tokenizer), vowels
    from rewardmodel.learning.artifact import load_scorer

    rows = list(reward.snapshot(asked.pairs))
    folder = asked.folder / "reward_model"
    folder.mkdir(exist_ok=True)
    how = argparse.Namespace(model=asked.model, precision="auto")
    print(json.dumps(reward.trained(folder, rows, how, {})), flush=True)
    first = {row["prompt"][0]["content"]: row["prompt"][:1] for row in rows}.values()
    return short(first, tokenizer), load_scorer(folder / "result").score


def short(conversations: Iterable[Any], tokenizer: Any) -> list[Any]:
    """The conversations that are short enough once they begin with the instruction."""
    from rlhf.generation.prompts import encode

    instructed = [[INSTRUCTION, *messages] for messages in conversations]
    return [messages for messages in instructed if len(encode(tokenizer, messages)) <= LONGEST]


def vowels(conversations: Sequence[Any], answers: Sequence[str]) -> list[float]:
    """How many of ten words begin with a vowel, by the share among the words of each answer."""
    words = [re.findall(r"[a-z]+", answer.lower()) for answer in answers]
    return [10 * sum(word[0] in "aeiou" for word in one) / max(len(one), 1) for one in words]


def curve(
    model: Path, one: Run, tokenizer: Any, engine: Any, prompts: list[Any], score: Any
) -> Iterator[dict[str, float]]:
    """Train one policy, and tell where it stands before, now and then, and at the end."""
    from rlhf.learning.inputs import Start, policy_for
    from rlhf.learning.learner import Learner
    from rlhf.learning.ppo import World, train
    from rlhf.learning.settings import PPOTraining

    step = len(prompts) // ASKED
    held_out = prompts[::step][:ASKED]
    learned = [prompt for prompt in prompts if prompt not in held_out]
    config = PPOTraining(**SIZES, **MODES[one.mode], seed=one.seed)
    policy = policy_for(Start(model, model), config)
    learner = Learner(config, policy)
    engine.sync(policy)
    yield standing(config, learner, tokenizer, engine, held_out, score)
    for row in train(config, learner, World(tokenizer, engine, score, learned)):
        if row["step"] % EVERY == 0 or learner.ended:
            yield standing(config, learner, tokenizer, engine, held_out, score)


def standing(
    config: Any, learner: Any, tokenizer: Any, engine: Any, prompts: list[Any], score: Any
) -> dict[str, float]:
    """Score and divergence of the present policy, with the same seeds in all runs."""
    from rlhf.learning import evaluation
    from rlhf.learning.losses import kl_k3
    from rlhf.learning.rollouts import freeze

    longest, temperature = config.max_response_tokens, config.temperature
    answers = evaluation.answers_to(engine, prompts, 1, longest, temperature, seed=0)
    told = evaluation.scored(prompts, answers, score)
    seen = freeze(config, learner.policy, tokenizer, prompts, answers, told.scores)
    return {
        "update": learner.update,
        "score": told.reward,
        "kl": kl_k3(seen.log_ratio).sum(1).mean().item(),  # the estimator with the least noise
        "length": told.length,
        "eos_rate": told.eos_rate,
    }


def finished(file: Path) -> dict[Run, list[Point]]:
    """The curves that are there."""
    if not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {
        Run(row["reward"], row["mode"], row["seed"]): [(p["kl"], p["score"]) for p in row["points"]]
        for row in rows
    }


def curves_of(runs: dict[Run, list[Point]], name: str) -> dict[str, list[list[Point]]]:
    """All curves of one reward, by mode."""
    return {
        mode: [its for run, its in runs.items() if (run.reward, run.mode) == (name, mode)]
        for mode in MODES
    }


def score_at(curve: Sequence[Point], kl: float) -> float:
    """Score at a divergence that the curve reaches, on straight lines between its points."""
    return float(np.interp(kl, *zip(*sorted(curve), strict=True)))


def compared(ours: list[list[Point]], theirs: list[list[Point]]) -> list[dict[str, Any]]:
    """Both modes where all of their curves have been, at places evenly spaced in sqrt(KL).

    Returns:
        A row for each place; "where" says on which side of the other's seeds our mean lies.
    """
    reach = min(max(kl for kl, _ in curve) for curve in [*ours, *theirs])
    rows = []
    for place in range(1, PLACES + 1):
        kl = reach * (place / PLACES) ** 2
        mine, others = ([score_at(curve, kl) for curve in mode] for mode in (ours, theirs))
        mean, low, high = fmean(mine), min(others), max(others)
        rows.append(
            {
                "kl": kl,
                "default": mean,
                "default_low": min(mine),
                "default_high": max(mine),
                "two_networks": fmean(others),
                "low": low,
                "high": high,
                "interval": half_interval(others),
                "where": "below" if mean < low else "above" if mean > high else "inside",
            }
        )
    return rows


def half_interval(values: Sequence[float]) -> float:
    """How far the mean's interval reaches to either side, by Student's t."""
    count = len(values)
    if count < 2:
        return float("nan")
    return float(student.ppf((1 + CONFIDENCE) / 2, count - 1) * stdev(values) / count**0.5)


def show(name: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{name}: mean score (lowest and highest seed) at equal KL")
    print("| KL, nats | default | two networks | 95 % interval of their mean | the default is |")
    print("| --- | --- | --- | --- | --- |")
    for r in rows:
        print(
            f"| {r['kl']:.2f} "
            f"| {r['default']:.3f} ({r['default_low']:.3f} to {r['default_high']:.3f}) "
            f"| {r['two_networks']:.3f} ({r['low']:.3f} to {r['high']:.3f}) "
            f"| {r['two_networks'] - r['interval']:.3f} to {r['two_networks'] + r['interval']:.3f} "
            f"| {r['where']} |"
        )
    places = [r["where"] for r in rows]
    print(
        f"The default's mean lies inside the band of the two networks' seeds at "
        f"{places.count('inside')} of {len(rows)} places, above it at {places.count('above')}, "
        f"below it at {places.count('below')}."
    )


if __name__ == "__main__":
    main()
