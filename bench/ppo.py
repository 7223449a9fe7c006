"""Seconds per PPO update on this machine: by phase, and beside TRL.

    python bench/ppo.py                          every arm of our own, one after the other
    python bench/ppo.py --trl --rounds 3         the same, alternating with TRL 1.12.0
    python bench/ppo.py --arms default full --json out.json

The scorer is a reward model of the policy's own size with a fixed random head: as dear as a real
one, and a taste that can be learned. Every arm runs in a process of its own, so that its memory is
its own, with the same prompts, threads and length of answers; answers may end earlier by
themselves on both sides. The first update of a run warms up and is not counted; its matrix products
are, so that each phase can be set beside what the machine can do.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import trl_environment  # noqa: E402

PHASES = ("rollout", "score", "freeze", "train", "sync")
COUNTED = ("score", "freeze", "train")  # whose matrix products run in torch's own operators
SIDE = 2048  # of the square matrices whose product shows what the machine can do
QUESTIONS = ROOT / "labeling" / "demo" / "prompts.jsonl"
LONGEST = 48  # tokens of a prompt, template included
OURS: dict[str, dict[str, Any]] = {
    "default": {},
    "full": {"tuning": "full", "learning_rate": 1e-5},
    "two networks": {
        "tuning": "full",
        "critic": "separate",
        "learning_rate": 3e-6,
        "value_learning_rate": 3e-6,
        "value_coef": 0.1,
        "lam": 0.95,
    },
    "fast": {"tuning": "top", "learning_rate": 2e-5},
}
# variables of the process
TRL: dict[str, dict[str, str]] = {
    "TRL as shipped": {},
    "TRL best tuned": {"ACCELERATE_MIXED_PRECISION": "bf16", **trl_environment.ALLOCATOR},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--arms", choices=list(OURS), nargs="+", default=list(OURS))
    parser.add_argument("--trl", action="store_true", help="measure TRL too")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each arm, alternating")
    parser.add_argument("--updates", type=int, default=4, help="of a run; the first is not counted")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer, at most")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure every arm in a process of its own and print the table."""
    asked = arguments()
    if asked.arm:
        print(json.dumps(measured(asked, asked.arm)))
        return
    load = os.getloadavg()[0]
    runs = []
    for _ in range(asked.rounds):
        runs += [{"arm": arm, **in_own_process(asked, arm)} for arm in asked.arms]
        if asked.trl:
            runs += [{"arm": arm, **trl(asked, arm)} for arm in TRL]
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_before": load,
        "command": " ".join(["python", "bench/ppo.py", *sys.argv[1:]]),
        "arms": table(runs),
        "runs": runs,
    }
    show(report["arms"])
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def in_own_process(asked: argparse.Namespace, arm: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--arm", arm]
    threads = {"OMP_NUM_THREADS": str(asked.threads)}
    done = subprocess.run(
        command,
        env={**os.environ, **trl_environment.ALLOCATOR, **threads},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def trl(asked: argparse.Namespace, arm: str) -> dict[str, Any]:
    """The same with TRL's trainer, in its own environment."""
    from transformers import AutoTokenizer

    from rlhf.generation.prompts import encode

    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    orders = {
        "model": str(asked.model),
        "prompts": [list(encode(tokenizer, prompt)) for prompt in short_prompts(tokenizer)],
        "batch": asked.batch,
        "epochs": asked.epochs,
        "tokens": asked.tokens,
        "updates": asked.updates,
    }
    done = subprocess.run(
        [str(trl_environment.python()), str(ROOT / "bench" / "trl" / "ppo.py")],
        input=json.dumps(orders),
        env=trl_environment.environment(asked.threads, **TRL[arm]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return {
        "seconds": statistics.median(told["seconds"][1:]),
        "all": told["seconds"],
        "peak_gib": told["peak_gib"],
    }


def measured(asked: argparse.Namespace, arm: str) -> dict[str, Any]:
    """Train for some updates and tell the medians."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rlhf.generation.engine import VllmEngine
    from rlhf.learning.critic import Critic
    from rlhf.learning.learner import Learner
    from rlhf.learning.policy import Policy
    from rlhf.learning.ppo import World, train
    from rlhf.learning.settings import PPOTraining

    config = PPOTraining(
        updates=asked.updates,
        batch_size=asked.batch,
        minibatch_size=asked.batch,
        epochs=asked.epochs,
        max_response_tokens=asked.tokens,
        stop_kl=0.0,
        **OURS[arm],
    )
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    prompts = short_prompts(tokenizer)
    score = random_taste(asked.model, tokenizer)
    critic = None
    if config.critic == "separate":
        critic = Critic.new(AutoModelForCausalLM.from_pretrained(asked.model, dtype="float32"))
    policy = Policy.load(
        asked.model,
        config.tuning,
        config.lora_rank,
        config.temperature,
        config.seed,
        top_layers=config.top_layers,
        critic=critic,
    )
    began = time.perf_counter()
    generator = VllmEngine(asked.model, max_tokens=128, answers=asked.batch)
    starting = time.perf_counter() - began
    learner = Learner(config, policy)
    rate = products_per_second()
    with counted_products() as products:
        rows = list(train(config, learner, World(tokenizer, generator, score, prompts)))
    told = medians(rows)
    shares = {f"of_rate_{p}": products[p] / told[f"seconds_{p}"] / rate for p in COUNTED}
    return {"seconds_engine": starting, "gflops": rate / 1e9, **shares, **told}


def products_per_second() -> float:
    """Floating-point operations a second in large products, in the format that training uses."""
    import torch

    from rewardmodel.learning.precision import has_fast_bf16

    dtype = torch.bfloat16 if has_fast_bf16(torch.device("cpu")) else torch.float32
    one, other = torch.randn(2, SIDE, SIDE).to(dtype)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - began)
    return 2 * SIDE**3 / statistics.median(times)


@contextmanager
def counted_products() -> Iterator[dict[str, float]]:
    """Floating-point operations of the first update's matrix products, by phase."""
    from torch.utils.flop_counter import FlopCounterMode

    from rlhf.learning import ppo
    from rlhf.learning.clock import Clock

    products: dict[str, float] = {}

    class Counting(Clock):
        @contextmanager
        def phase(self, name: str) -> Iterator[None]:
            if name not in COUNTED or name in products:
                with super().phase(name):
                    yield
                return
            with super().phase(name), FlopCounterMode(display=False) as counter:
                yield
            products[name] = counter.get_total_flops()

    ppo.Clock = Counting
    yield products
    ppo.Clock = Clock


def short_prompts(tokenizer: Any) -> list[Any]:
    """The demo's short prompts, template included."""
    from rlhf.generation.prompts import encode

    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["messages"] for line in lines]
    return [prompt for prompt in prompts if len(encode(tokenizer, prompt)) <= LONGEST]


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


def medians(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Of all updates after the first, which warms up; scores of the ends."""
    counted = rows[1:] or rows
    seconds = {
        name: statistics.median(row[name] for row in counted)
        for name in ("seconds", *(f"seconds_{phase}" for phase in PHASES), "length")
    }
    return {
        **seconds,
        "all": [row["seconds"] for row in rows],
        "score_first": rows[0]["score"],
        "score_last": statistics.fmean(row["score"] for row in rows[-3:]),
        "kl_last": rows[-1]["kl"],
        "engine_gap": rows[-1]["engine_gap"],
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median run of each arm, and how many times as fast as TRL ours are."""
    rows = []
    for arm in dict.fromkeys(run["arm"] for run in runs):
        its = [run for run in runs if run["arm"] == arm]
        names = [name for name in its[0] if isinstance(its[0][name], float)]
        middle = {name: statistics.median(run[name] for run in its) for name in names}
        spread = {
            "lowest": min(r["seconds"] for r in its),
            "highest": max(r["seconds"] for r in its),
        }
        rows.append({"arm": arm, "runs": len(its), **middle, **spread})
    for row in rows:
        for peer in (other for other in rows if other["arm"] in TRL and row["arm"] in OURS):
            row[f"times {peer['arm']}"] = peer["seconds"] / row["seconds"]
    return rows


def show(arms: list[dict[str, Any]]) -> None:
    columns = ["runs", "seconds", "lowest", "highest", *(f"seconds_{phase}" for phase in PHASES)]
    columns += [*(f"of_rate_{phase}" for phase in COUNTED), "gflops", "peak_gib", "length"]
    columns += [f"times {arm}" for arm in TRL]
    print(" ".join([f"{'arm':14}", *(f"{n.removeprefix('seconds_'):>15}" for n in columns)]))
    for arm in arms:
        cells = [f"{arm[name]:.2f}" if name in arm else "" for name in columns]
        print(" ".join([f"{arm['arm']:14}", *(f"{cell:>15}" for cell in cells)]))


if __name__ == "__main__":
    main()
