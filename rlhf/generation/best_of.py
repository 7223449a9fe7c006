"""`python -m rlhf.generation.best_of DIRECTORY`: n answers to each prompt, and their scores.

Reads config.json and data.jsonl, writes metrics.jsonl, answers.jsonl and result/. Started again
after a stop or a kill, it goes on after the last prompt whose answers lie in answers.jsonl.
Exit codes: 0 the result is there; 75 stopped by SIGTERM, the same command goes on; 1 refused or
failed, the last line of the log says why in one sentence. The servers' key is VLLM_API_KEY.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewardmodel.learning.artifact import Scorer, load_scorer
from rewardmodel.learning.devices import own_device
from rewardmodel.learning.program import algorithm_settings, run_to_end, say
from rewardmodel.learning.rundirectory import EXIT_FAILED, RunDirectory, Stopped, write_text
from rlhf.generation.expected_best import best_answers, figures
from rlhf.generation.persistence import ServerDown
from rlhf.generation.protocol import Sampling
from rlhf.generation.server import PolicyNotServed, VllmServers

APART, SEEDS = 1_009, 2**31  # the seeds of two prompts lie apart by more than the answers to one


@dataclass(frozen=True)
class BestOf:
    """What may be chosen about the answers."""

    n: int = 8  # answers to each prompt
    temperature: float = 1.0  # the bound on the divergence is from the policy at this temperature
    top_p: float = 1.0
    max_tokens: int = 128
    prompts_at_once: int = 8  # asked of the servers together; what a stop loses at most
    seed: int = 0

    def __post_init__(self) -> None:
        """Check everything."""
        if not 2 <= self.n <= 256:
            raise ValueError(f"n is {self.n}; it must be from 2 to 256.")
        if not self.temperature > 0:
            raise ValueError("temperature must be above 0: equal answers have no best.")
        if self.prompts_at_once < 1:
            raise ValueError("prompts_at_once must be at least 1.")
        self.sampling(0)

    def sampling(self, seed: int) -> Sampling:
        return Sampling(self.temperature, self.top_p, self.max_tokens, seed)


def main(arguments: Sequence[str]) -> int:
    """Run in a directory and return the exit code."""
    if len(arguments) != 1:
        print("Usage: python -m rlhf.generation.best_of DIRECTORY", file=sys.stderr)
        return EXIT_FAILED
    return run_to_end(RunDirectory(Path(arguments[0])), run)


def run(directory: RunDirectory) -> None:
    """Answer and score every prompt, then choose.

    Raises:
        Stopped: SIGTERM came; what was answered is kept.
        ValueError: the settings, the model or the servers can't be used; a sentence says why.
    """
    settings = directory.config()
    config = algorithm_settings(BestOf, settings, ("program", "model", "policy", "servers"))
    servers = VllmServers(settings["servers"], os.environ.get("VLLM_API_KEY", ""))
    prompts = [row for _, row in directory.rows()]
    kept = directory.path / "answers.jsonl"
    done = _complete_rows(kept)
    directory.rewind(len(done))
    with directory.stopping_at_once():
        scorer = load_scorer(Path(settings["model"]), own_device())
    known = {row["id"] for row in done}
    waiting = [prompt for prompt in prompts if prompt["id"] not in known]
    say(f"{len(prompts)} prompts, {config.n} answers each; {len(done)} are answered.")

    with kept.open("a", encoding="utf-8") as file:
        for at in range(0, len(waiting), config.prompts_at_once):
            started = time.perf_counter()
            some = waiting[at : at + config.prompts_at_once]
            try:
                rows = _answered(some, config, servers, settings["policy"], scorer)
            except (ServerDown, PolicyNotServed) as problem:
                raise ValueError(str(problem)) from None
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.flush()
            done += rows
            seconds = (time.perf_counter() - started) / len(rows)
            directory.report(
                {"step": len(done), "steps": len(prompts), "seconds": seconds, **_told(rows)}
            )
            if directory.stop_requested:
                raise Stopped
    _finish(directory, config, done, kept)


def _answered(
    prompts: Sequence[dict[str, Any]],
    config: BestOf,
    servers: VllmServers,
    policy: str,
    scorer: Scorer,
) -> list[dict[str, Any]]:
    """The answers to some prompts, each with its score; those without a word are left out."""
    asked = [(prompt, number) for prompt in prompts for number in range(config.n)]
    said = servers.generate(
        policy,
        [prompt["prompt"] for prompt, _ in asked],
        [config.sampling((config.seed + prompt["id"] * APART + n) % SEEDS) for prompt, n in asked],
    )
    spoken = [
        (prompt, answer)
        for (prompt, _), answer in zip(asked, said, strict=True)
        if answer.text.strip()
    ]
    scores = scorer.score(
        [prompt["prompt"] for prompt, _ in spoken], [answer.text for _, answer in spoken]
    )
    answers: dict[int, list[dict[str, Any]]] = {prompt["id"]: [] for prompt in prompts}
    for (prompt, answer), score in zip(spoken, scores, strict=True):
        answers[prompt["id"]].append(
            {"text": answer.text, "score": score, "finish_reason": answer.finish_reason}
        )
    return [{"id": number, "answers": each} for number, each in answers.items()]


def _told(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    scores = [[answer["score"] for answer in row["answers"]] for row in rows if row["answers"]]
    if not scores:
        return {}
    return {
        "mean": float(np.mean([np.mean(each) for each in scores])),
        "best": float(np.mean([max(each) for each in scores])),
    }


def _finish(
    directory: RunDirectory, config: BestOf, rows: list[dict[str, Any]], kept: Path
) -> None:
    whole = [row for row in rows if len(row["answers"]) == config.n]
    if not whole:
        raise ValueError("No prompt got all its answers; look at the prompts and the policy.")
    scores = np.array([[answer["score"] for answer in row["answers"]] for row in whole])
    found = {
        "n": config.n,
        "prompts": len(whole),
        "left_out": len(rows) - len(whole),
        "ended": len(best_answers(whole)) / len(whole),
        **figures(scores),
    }
    with directory.result(found) as folder:
        shutil.copyfile(kept, folder / "answers.jsonl")


def _complete_rows(path: Path) -> list[dict[str, Any]]:
    """What was answered before; a line that a kill cut off is removed from the file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    return [json.loads(line) for line in whole.splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
