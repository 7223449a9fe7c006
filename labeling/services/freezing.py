"""Rows written to a file that never changes: what every snapshot rests on."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeling import artifacts


@dataclass(frozen=True)
class Frozen:
    """Rows in a file that never changes: where, how many of each split, and made from what."""

    digest: str  # of the file's bytes
    url: str
    counts: dict[str, int]
    used: list[int]


def freeze(rows: Iterable[tuple[dict[str, Any], list[int]]], folder: str) -> Frozen:
    """Write rows, each with the numbers of what it was made from, into an artifact of a folder."""
    counts = {"train": 0, "test": 0}
    used: list[int] = []
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row, made_from in rows:
                line = json.dumps(row, ensure_ascii=False) + "\n"
                file.write(line)
                digest.update(line.encode())
                counts[row["split"]] += 1
                used.extend(made_from)
        name = digest.hexdigest()
        url = artifacts.publish(path, f"{folder}/{name}.jsonl")
    return Frozen(name, url, counts, used)
