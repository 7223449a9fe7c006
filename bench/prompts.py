"""`python -m bench prompts`: what it takes to check a large file of prompts, and to compare them.

Only the reading is measured, with every check that an upload gets; nothing is stored.
"""

import argparse
import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

BLOCK = 2000  # different prompts; the file repeats them
WORDS = 90  # of a prompt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--compared", type=int, default=20_000, help="prompts")
    asked = parser.parse_args()
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        size = fill(file, asked.gigabytes * 1e9)
        before = peak()
        rows, seconds = checked(file)
    print(
        f"checked {size / 1e9:.2f} GB, {rows:,} rows, in {seconds:.0f} s; "
        f"peak memory {peak():.0f} MiB, {before:.0f} before the first row"
    )
    found, seconds = compared(asked.compared)
    print(
        f"compared {asked.compared:,} prompts in {seconds:.1f} s, {found} near-duplicates; "
        f"peak memory {peak():.0f} MiB"
    )


def prepare() -> None:
    """Django's settings, with addresses that nobody answers at: nothing is asked of them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SECRET_KEY", "a measurement that signs nothing at all")
    os.environ.setdefault("DATABASE_URL", "postgres://127.0.0.1:9/none")
    os.environ.setdefault("BROKER_URL", "redis://127.0.0.1:9/0")
    import django

    django.setup()


def vocabulary(chance: random.Random) -> list[str]:
    return ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(5000)]


def fill(file: Path, size: float) -> int:
    """Write a file of at least so many bytes."""
    chance = random.Random(1)
    words = vocabulary(chance)
    rows = (
        {"prompt": " ".join(chance.choices(words, k=WORDS)), "category": chance.choice("abcdef")}
        for _ in range(BLOCK)
    )
    block = "".join(json.dumps(row) + "\n" for row in rows)
    with file.open("w", encoding="utf-8") as written:
        while written.tell() < size:
            written.write(block)
    return file.stat().st_size


def checked(file: Path) -> tuple[int, float]:
    """Rows of a file, each checked as an upload's is, and the seconds that took."""
    from labeling.services.prompt_imports import Wanted, count_rows

    begun = time.perf_counter()
    counts = count_rows(file, Wanted())
    return sum(counts.values()), time.perf_counter() - begun


def compared(count: int) -> tuple[int, float]:
    """Near-duplicates among so many unrelated prompts of forty words, and the seconds."""
    from labeling.near_duplicates import near_duplicates

    chance = random.Random(2)
    words = vocabulary(chance)
    texts = [" ".join(chance.choices(words, k=40)) for _ in range(count)]
    begun = time.perf_counter()
    found = sum(1 for _ in near_duplicates(enumerate(texts)))
    return found, time.perf_counter() - begun


def peak() -> float:
    """The most memory this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
