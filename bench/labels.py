"""Whether it pays to know the labelers: what to learn from noisy answers, by accuracy on the truth.

    python -m bench labels
    python -m bench labels pairs.jsonl --runs 20 --overlap 3

The labelers are simulated, and so is every answer: ten people of known skill, some of whom lean to
a side, turn a quarter of all preferences round. Each pair gets a few of their answers, and a reward
model (a head on a frozen trunk) learns from them in each way that Accord knows. Held-out pairs keep
the labels of the file, which count as the truth. Folds are by prompt. Every way of learning gets
the same answers, so they are compared pair by pair; intervals are of a bootstrap over prompts and
simulations at once.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit, logit
from transformers import AutoTokenizer

from bench.reward import ROOT, place, print_table, snapshot
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.labelers import estimated
from rewardmodel.learning.labels import LABELS, relabelled
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.model import RewardModel, load_trunk
from rewardmodel.learning.pairs import Ballot, Example, Pair, example_passes, fit, turned
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.training import score, train

# How often each is right where neither side helps, and by how much log-odds each leans to the left.
SKILL = logit([0.98, 0.96, 0.92, 0.88, 0.8, 0.72, 0.64, 0.58, 0.54, 0.53])
LEAN = np.array([0, 0.5, -0.5, 0, 1, -1, 0, 1.5, 0, -1.5])
FOLDS = 5
TRUTH = "the truth itself"
DRAWS = 4000  # of the bootstrap


@dataclass(frozen=True)
class Bench:
    """What all fits share: the pairs, and what the frozen trunk made of them."""

    config: RewardTraining
    trunk: Any
    chat: Chat
    examples: list[Example]  # chosen is what the file says
    kept: dict[int, torch.Tensor]  # (2, h) by twice the number of the pair, plus one where turned
    fold: np.ndarray  # (n,)
    prompt: np.ndarray  # (n,) which prompt a pair is about


def answers(pair: Pair, overlap: int, chance: np.random.Generator) -> Pair:
    """A pair as so many simulated labelers judge it, named by what most of them say."""
    ballots = []
    for labeler in chance.permutation(len(SKILL))[:overlap].tolist():
        side = int(chance.choice([-1, 1]))
        right = chance.random() < expit(SKILL[labeler] + LEAN[labeler] * side)
        ballots.append(Ballot(f"labeler {labeler}", 1 if right else -1, side))
    right = sum(ballot.answer > 0 for ballot in ballots)
    votes = (right, 0, overlap - right)
    told = replace(pair, ballots=tuple(ballots), votes=votes, preference=right / overlap)
    return told if told.preference >= 0.5 else turned(told)


def read(asked: argparse.Namespace) -> Bench:
    """The pairs of the file, each read once by the trunk."""
    config = RewardTraining(precision=asked.precision, evaluate_every=0)
    chat = Chat(AutoTokenizer.from_pretrained(asked.model))
    rows = list(snapshot(asked.data))
    pairs = [Pair(**{**row, "id": n, "split": "train"}) for n, row in enumerate(rows)]
    examples = fit(pairs, chat, config.max_length).examples
    trunk = load_trunk(asked.model, config.trunk_share)
    learner = Learner(config, RewardModel(trunk, chat.padding), examples)
    for numbers in example_passes(examples, config.tokens_per_pass):
        learner.scores([examples[number] for number in numbers])
    assert learner.kept is not None
    kept = {2 * n: features for n, features in learner.kept.items()}
    kept |= {2 * n + 1: features.flip(0) for n, features in learner.kept.items()}
    places = np.array([place({"prompt": example.pair.prompt}) for example in examples])
    _, prompt = np.unique(places, return_inverse=True)
    return Bench(config, trunk, chat, examples, kept, (places * FOLDS).astype(int), prompt)


def right(bench: Bench, labels: str, told: Sequence[Pair], seed: int) -> np.ndarray:
    """Whether each pair, (n,), is judged right by the model of the fold that held it out."""
    found = np.zeros(len(bench.examples))
    config = replace(bench.config, seed=seed)
    for fold in range(FOLDS):
        known = np.flatnonzero(bench.fold != fold)
        taught = [told[number] for number in known]
        learned = taught if labels == TRUTH else relabelled(taught, labels)
        examples = [
            _placed(bench.examples[number], pair)
            for number, pair in zip(known, learned, strict=True)
            if pair.decided
        ]
        torch.manual_seed(seed)
        learner = Learner(config, RewardModel(bench.trunk, bench.chat.padding), examples)
        learner.kept = bench.kept
        for _ in train(config, learner, examples, []):
            pass
        held_out = np.flatnonzero(bench.fold == fold)
        asked = [_placed(bench.examples[n], bench.examples[n].pair) for n in held_out]
        chosen, rejected = score(learner, asked, config).numpy().T
        found[held_out] = np.where(chosen == rejected, 0.5, chosen > rejected)
    return found


def _placed(truth: Example, pair: Pair) -> Example:
    """An example that finds its features: those of a pair that was turned are turned too."""
    number = 2 * truth.pair.id + (pair.chosen != truth.pair.chosen)
    return Example(replace(pair, id=number), truth.group)


def interval(difference: np.ndarray, prompt: np.ndarray) -> tuple[float, float]:
    """95 % of the mean of differences, (runs, n), over other prompts and other simulations."""
    chance = np.random.default_rng(0)
    runs, prompts = len(difference), prompt.max() + 1
    of_prompt = np.zeros((runs, prompts))
    np.add.at(of_prompt.T, prompt, difference.T)
    pairs = np.bincount(prompt, minlength=prompts)
    means = []
    for _ in range(DRAWS):
        times = np.bincount(chance.integers(prompts, size=prompts), minlength=prompts)
        some = of_prompt[chance.integers(runs, size=runs)].mean(0)
        means.append((some * times).sum() / (pairs * times).sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def measured(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way of learning, and what was put in."""
    bench = read(asked)
    truth = [example.pair for example in bench.examples]
    found: dict[str, list[np.ndarray]] = {labels: [] for labels in ("majority", TRUTH, *LABELS)}
    flips, wrong, skill = [], [], []
    for run in range(asked.runs):
        chance = np.random.default_rng([1, run])
        told = [answers(pair, asked.overlap, chance) for pair in truth]
        turned_round = [p.chosen != t.chosen for p, t in zip(told, truth, strict=True)]
        wrong.append(np.mean(turned_round))
        named = [
            (ballot.answer > 0) != was
            for p, was in zip(told, turned_round, strict=True)
            for ballot in p.ballots
        ]
        flips.append(1 - np.mean(named))
        known = estimated(told)
        by_name = dict(zip(known.names, known.skill, strict=True))
        skill.append([expit(by_name.get(f"labeler {n}", np.nan)) for n in range(len(SKILL))])
        for labels in found:
            found[labels].append(right(bench, labels, truth if labels == TRUTH else told, run))
        print(f"simulation {run + 1} of {asked.runs}", flush=True)
    rows = []
    majority = np.array(found["majority"])
    for labels, each in found.items():
        difference = np.array(each) - majority
        low, high = interval(difference, bench.prompt)
        mean = {"accuracy": float(np.mean(each))}
        beside = {"above majority": float(difference.mean()), "low": low, "high": high}
        rows.append({"learn from": labels, **mean, **(beside if labels != "majority" else {})})
    asked.facts = {
        "pairs": len(truth),
        "prompts": int(bench.prompt.max() + 1),
        "simulations": asked.runs,
        "answers a pair": asked.overlap,
        "answers turned round": float(np.mean(flips)),
        "majorities that are wrong": float(np.mean(wrong)),
        "skill, error of its estimate": float(np.nanmean(np.abs(np.array(skill) - expit(SKILL)))),
    }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    demo = ROOT / "labeling/demo/preferences.jsonl"
    parser.add_argument("data", type=Path, nargs="?", default=demo, help="pairs as JSONL")
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--runs", type=int, default=12, help="simulations of all the answers")
    parser.add_argument("--overlap", type=int, default=3, help="answers to a pair")
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    started = time.perf_counter()
    rows = measured(asked)
    print_table(rows)
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - started),
        **asked.facts,
        "rows": rows,
    }
    print(json.dumps(report))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
