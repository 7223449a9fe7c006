"""What the policy says to the same few prompts as it changes, kept for people to read."""

import json
from collections.abc import Sequence
from typing import Any

from rewardmodel.learning.rundirectory import RunDirectory, write_rows
from rlhf.generation.protocol import Generated


def keep_samples(
    directory: RunDirectory, step: int, prompt_ids: Sequence[int], answers: Sequence[Generated]
) -> None:
    """Write down the answers after an update, in place of any from it or from later ones.

    A run that was killed makes its last updates again; what it said the first time is forgotten.
    """
    path = directory.path / "samples.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows: list[dict[str, Any]] = [row for row in map(json.loads, lines) if row["step"] < step]
    for number, answer in zip(prompt_ids, answers, strict=True):
        rows.append({"step": step, "prompt_id": number, "text": answer.text})
    write_rows(path, rows)
