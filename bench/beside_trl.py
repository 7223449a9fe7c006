"""Training pairs per second beside TRL's RewardTrainer, on equal batches: bench/reward.py trl.

TRL 1.12.0 runs as shipped (all defaults but the processor and the batch, which are equal: bf16
autocast over fp32 weights, gradient checkpointing, fused AdamW) and tuned as well as it can be
without changing its code: no gradient checkpointing, and the allocator settings of the other side.
Accord runs as its workers run it: bf16 autocast over fp32 weights, packed, the same allocator.
All of them train all weights, in the same number of threads, on the same pairs in the same order;
the arms alternate, each in a process of its own, and the first step of each is not counted.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import trl_environment

OURS, SHIPPED, TUNED = "Accord", "TRL as shipped", "TRL best tuned"
PROGRAM = Path(__file__).parent / "trl" / "reward.py"
# settings of RewardConfig, and whether the allocator is tuned
TRL_ARMS: dict[str, tuple[dict[str, Any], bool]] = {
    TUNED: ({"bf16": True, "gradient_checkpointing": False}, True),
    SHIPPED: ({}, False),
}


def trl(
    model: Path,
    batch: int,
    threads: int,
    rows: list[dict[str, Any]],
    *,
    arm: str = TUNED,
    test: list[dict[str, Any]] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Train with TRL on rows of a snapshot, once through, and return what its program tells."""
    own, tuned = TRL_ARMS[arm]
    orders = {
        "model": str(model),
        "batch": batch,
        "settings": {**own, **settings},
        "train": [_messages(row) for row in rows],
        "test": [_messages(row) for row in test or []],
    }
    allocator = trl_environment.ALLOCATOR if tuned else {}
    done = subprocess.run(
        [str(trl_environment.python()), str(PROGRAM)],
        input=json.dumps(orders),
        env=trl_environment.environment(threads, **allocator),
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"TRL's arm ended with code {done.returncode}.")
    return json.loads(done.stdout.splitlines()[-1])


def _messages(row: dict[str, Any]) -> dict[str, Any]:
    """A pair in the layout that TRL wants: lists of messages."""
    answers = {
        side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")
    }
    return {"prompt": row["prompt"], **answers}


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median of each arm's runs, with lowest and highest, and how many times as fast Accord is.

    Args:
        runs: each with arm, pairs/s, GB and settings.
    """
    rows = []
    for arm in (OURS, TUNED, SHIPPED):
        its = [run for run in runs if run["arm"] == arm]
        if not its:
            continue
        speeds = [run["pairs/s"] for run in its]
        rows.append(
            {
                "arm": arm,
                "runs": len(its),
                "pairs/s": statistics.median(speeds),
                "lowest": min(speeds),
                "highest": max(speeds),
                "peak GB": statistics.median(run["GB"] for run in its),
                "settings": its[0]["settings"],
            }
        )
    for row in rows[1:]:
        row["Accord is faster by"] = rows[0]["pairs/s"] / row["pairs/s"]
        row["Accord's memory"] = rows[0]["peak GB"] / row["peak GB"]
    return rows


def pairs_per_second(batch: int, seconds: list[float]) -> float:
    """Of all steps but the first, which warms up."""
    return batch * (len(seconds) - 1) / sum(seconds[1:])
