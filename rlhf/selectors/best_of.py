import json
from dataclasses import dataclass
from typing import Any

from labeling import artifacts
from labeling.models import Prompt
from rlhf.models import BestOfRun

SHOWN = 6  # prompts


@dataclass(frozen=True)
class Choice:
    """One prompt with the answer that was chosen and the one that was liked least."""

    prompt: Prompt
    best: dict[str, Any]
    worst: dict[str, Any]


def answers_of(run: BestOfRun) -> list[dict[str, Any]]:
    """Prompts (by key) with their answers, of a finished run; only those with all of them.

    Empty where the result is gone.
    """
    if not run.checkpoint:
        return []
    try:
        with artifacts.open_artifact(f"{run.checkpoint}/answers.jsonl") as file:
            rows = [json.loads(line) for line in file]
    except FileNotFoundError:
        return []
    return [row for row in rows if len(row["answers"]) == run.figures["n"]]


def choices(run: BestOfRun) -> list[Choice]:
    """A few prompts with their best and their worst answer."""
    rows = answers_of(run)[:SHOWN]
    prompts = Prompt.objects.in_bulk([row["id"] for row in rows])
    found = []
    for row in rows:
        if row["id"] in prompts:
            order = sorted(row["answers"], key=lambda answer: answer["score"])
            found.append(Choice(prompts[row["id"]], order[-1], order[0]))
    return found
