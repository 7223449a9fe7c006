"""Pairs with a preference that a tiny model can learn: people like answers that say "please"."""

import json
import random
from pathlib import Path
from typing import Any

WORDS = ["the", "cat", "sat", "on", "a", "warm", "mat", "and", "looked", "at", "rain", "today"]


def planted_rows(count: int, seed: int = 0, every: int = 5) -> list[dict[str, Any]]:
    """Rows of a snapshot; each fifth one is held out."""
    chance = random.Random(seed)

    def words(least: int, most: int) -> list[str]:
        return chance.choices(WORDS, k=chance.randint(least, most))

    rows = []
    for number in range(count):
        chosen = words(3, 8)
        chosen.insert(chance.randint(0, len(chosen)), "please")
        rows.append(
            {
                "id": number,
                "split": "test" if number % every == 0 else "train",
                "prompt": [{"role": "user", "content": " ".join(words(3, 6))}],
                "chosen": " ".join(chosen),
                "rejected": " ".join(words(4, 9)),
                "preference": 1.0,
                "margin": 0.5,
                "weight": 1.0,
                "category": "",
            }
        )
    return rows


def write_run(directory: Path, model: Path, rows: list[dict[str, Any]], **settings: Any) -> Path:
    """What a caller writes before it starts the program."""
    directory.mkdir(exist_ok=True)
    config = {"program": "reward", "model": str(model), "seed": 0, **settings}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory
