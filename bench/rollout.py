"""Tokens per second of answers: vLLM in this process beside transformers' own generate.

    python bench/rollout.py                              both engines at 8, 32, 64 and 128 answers
    python bench/rollout.py --engine vllm --batch 8 32   some of it, for a machine that is shared

Each engine runs in a process of its own, samples from the same prompts at temperature 1, tells
log-probabilities as PPO needs them, and writes exactly as many tokens as asked for: no answer ends
earlier. The first call of each size warms up; the median of the others counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

ENGINES = ("vllm", "transformers")
Sample = Callable[[list[list[int]]], int]
"""Answers some prompts, given as token numbers; returns how many tokens it wrote."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "var/models/SmolLM2-135M-Instruct")
    parser.add_argument("--engine", choices=ENGINES, nargs="+", default=list(ENGINES))
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32, 64, 128])
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure every engine in a process of its own and print the table."""
    asked = arguments()
    if asked.arm:
        print(json.dumps(measured(asked, asked.arm)))
        return
    rows = [row for engine in asked.engine for row in in_own_process(engine)]
    load = os.getloadavg()[0]
    print(
        f"{'engine':>13} {'answers':>8} {'tokens/s':>9} {'lowest':>8} {'highest':>8} {'of CPU':>8}"
    )
    for row in rows:
        figures = " ".join(
            f"{row[name]:>8.1f}" for name in ("median", "lowest", "highest", "median_cpu")
        )
        print(f"{row['engine']:>13} {row['batch']:>8}  {figures}")
    print(f"load of the machine at the end: {load:.1f}")
    if asked.json:
        date = time.strftime("%Y-%m-%d")
        report = {"date": date, "cores": os.cpu_count(), "load": load, "rows": rows}
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def in_own_process(engine: str) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, *sys.argv[1:], "--arm", engine]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(asked: argparse.Namespace, engine: str) -> list[dict[str, Any]]:
    """Tokens per second at every size."""
    from transformers import AutoTokenizer

    from bench.ppo import short_prompts
    from rlhf.generation.prompts import encode

    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    prompts = [encode(tokenizer, prompt) for prompt in short_prompts(tokenizer)]
    sample = vllm(asked) if engine == "vllm" else transformers(asked, tokenizer.pad_token_id)
    rows = []
    for batch in asked.batch:
        chosen = [prompts[number % len(prompts)] for number in range(batch)]
        both = [speed(sample, chosen) for _ in range(asked.repeats + 1)][1:]
        speeds = [wall for wall, _cpu in both]
        rows.append(
            {
                "engine": engine,
                "batch": batch,
                "median": statistics.median(speeds),
                "lowest": min(speeds),
                "highest": max(speeds),
                "median_cpu": statistics.median(cpu for _wall, cpu in both),
            }
        )
    return rows


def speed(sample: Sample, prompts: list[list[int]]) -> tuple[float, float]:
    """Tokens per second, and per second of processor time, which other programs disturb less."""
    began, worked = time.perf_counter(), time.process_time()
    tokens = sample(prompts)
    return tokens / (time.perf_counter() - began), tokens / (time.process_time() - worked)


def vllm(asked: argparse.Namespace) -> Sample:
    """vLLM as PPO runs it, but for as many answers at once as are asked for."""
    import torch

    from rlhf.generation import engine
    from rlhf.generation.engine import VllmEngine

    engine.ANSWERS_AT_ONCE = max(asked.batch)
    dtype = torch.bfloat16 if asked.precision == "bf16" else torch.float32
    llm = VllmEngine(asked.model, max_tokens=128, dtype=dtype).llm
    from vllm import SamplingParams

    wanted = SamplingParams(
        temperature=1.0, max_tokens=asked.tokens, ignore_eos=True, logprobs=0, detokenize=False
    )

    def sample(prompts: list[list[int]]) -> int:
        given = [{"prompt_token_ids": ids} for ids in prompts]
        outputs = llm.generate(given, wanted, use_tqdm=False)
        llm.reset_prefix_cache()  # every call reads its prompts, as the other engine does
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    return sample


def transformers(asked: argparse.Namespace, pad: int) -> Sample:
    """The generate of transformers, with the log-probabilities that it can tell."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if asked.precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(asked.model, dtype=dtype).eval()

    @torch.inference_mode()
    def sample(prompts: list[list[int]]) -> int:
        width = max(map(len, prompts))
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            min_new_tokens=asked.tokens,
            max_new_tokens=asked.tokens,
            output_scores=True,
            return_dict_in_generate=True,
        )
        model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)
        return len(prompts) * (output.sequences.shape[1] - width)

    return sample


if __name__ == "__main__":
    main()
