"""Seconds per PPO update on this machine, by phase, and what they buy.

    python bench/ppo.py                          full fine-tuning and LoRA, one after the other
    python bench/ppo.py --tuning lora --json out.json

The scorer is a reward model of the policy's own size with a fixed random head: as dear as a real
one, and a taste that can be learned. Every arm runs in a process of its own, so that its memory is
its own.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PHASES = ("rollout", "score", "freeze", "train", "sync")
QUESTIONS = ROOT / "labeling" / "demo" / "prompts.jsonl"
MALLOC = {  # large blocks are kept and used again; glibc reads these when a process starts
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--tuning", choices=["lora", "full"], nargs="+", default=["full", "lora"])
    parser.add_argument("--generator", choices=["vllm", "transformers"], default="vllm")
    parser.add_argument("--updates", type=int, default=5, help="the first one is not counted")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--minibatch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer, at most")
    parser.add_argument("--rate", type=float, help="learning rate; else the default of the tuning")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure every arm in a process of its own and print the table."""
    asked = arguments()
    if asked.arm:
        print(json.dumps(measured(asked, asked.arm)))
        return
    arms = [in_own_process(tuning) for tuning in asked.tuning]
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": os.getloadavg()[0],
        "command": " ".join(["python", "bench/ppo.py", *sys.argv[1:]]),
        "arms": arms,
    }
    show(arms)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def in_own_process(tuning: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--arm", tuning]
    done = subprocess.run(
        command, env={**os.environ, **MALLOC}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measured(asked: argparse.Namespace, tuning: str) -> dict[str, Any]:
    """Train for some updates and tell the medians."""
    sys.path.insert(0, str(ROOT))
    from transformers import AutoTokenizer

    from rlhf.generation.engine import VllmEngine
    from rlhf.generation.local import TransformersGenerator
    from rlhf.learning.learner import Learner
    from rlhf.learning.policy import Policy
    from rlhf.learning.ppo import World, train
    from rlhf.learning.settings import PPOTraining

    settings = {"learning_rate": asked.rate} if asked.rate else {}
    config = PPOTraining(
        updates=asked.updates,
        batch_size=asked.batch,
        minibatch_size=asked.minibatch,
        epochs=asked.epochs,
        max_response_tokens=asked.tokens,
        tuning=tuning,
        stop_kl=0.0,
        **settings,
    )
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    prompts = short_prompts(tokenizer)
    score = random_taste(asked.model, tokenizer)
    policy = Policy.load(asked.model, tuning, config.lora_rank)
    began = time.perf_counter()
    if asked.generator == "vllm":
        generator = VllmEngine(asked.model, max_tokens=256)
    else:
        generator = TransformersGenerator(policy.causal_lm, tokenizer)
    starting = time.perf_counter() - began
    learner = Learner(config, policy)
    rows = list(train(config, learner, World(tokenizer, generator, score, prompts)))
    return {"tuning": tuning, "seconds_engine": starting, **medians(rows)}


def short_prompts(tokenizer: Any) -> list[Any]:
    """The demo's prompts of at most 48 tokens, template included."""
    from rlhf.generation.prompts import encode

    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["messages"] for line in lines]
    return [prompt for prompt in prompts if len(encode(tokenizer, prompt)) <= 48]


def random_taste(model: Path, tokenizer: Any) -> Any:
    """A reward model nobody trained, whose scores spread over about one unit."""
    import torch
    from transformers import AutoModel

    from rewardmodel.learning.artifact import Card, Scorer
    from rewardmodel.learning.conversations import Chat
    from rewardmodel.learning.model import RewardModel

    trunk = AutoModel.from_pretrained(model, dtype=torch.float32)
    judge = RewardModel(trunk, tokenizer.pad_token_id)
    torch.nn.init.normal_(judge.head.weight, std=0.04, generator=torch.manual_seed(0))
    chat = Chat(tokenizer)
    card = Card(0.0, 0.5, 1.0, 512, "auto", chat.template_hash(), chat.tokenizer_hash())
    return Scorer(judge, chat, card).score


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of all updates after the first, which warms up; scores of the ends."""
    counted = rows[1:] or rows
    seconds = {
        name: statistics.median(row[name] for row in counted)
        for name in ("seconds", *(f"seconds_{phase}" for phase in PHASES), "length")
    }
    return {
        **seconds,
        "updates": len(rows),
        "score_first": rows[0]["score"],
        "score_last": statistics.fmean(row["score"] for row in rows[-3:]),
        "kl_last": rows[-1]["kl"],
        "engine_gap": rows[-1]["engine_gap"],
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def show(arms: list[dict[str, Any]]) -> None:
    columns = ["tuning", "seconds", *(f"seconds_{phase}" for phase in PHASES)]
    columns += ["seconds_engine", "peak_gib", "score_first", "score_last", "kl_last"]
    print(" ".join(f"{name.removeprefix('seconds_'):>11}" for name in columns))
    for arm in arms:
        cells = [arm[name] if name == "tuning" else f"{arm[name]:.2f}" for name in columns]
        print(" ".join(f"{cell:>11}" for cell in cells))


if __name__ == "__main__":
    main()
