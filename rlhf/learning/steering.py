"""What people change of a run while it goes: steering.json in its directory.

    [{"number": 1, "kl_coef": 0.05}, {"number": 2, "finish": true}]

Whoever started the run writes the file, at once and with all changes so far; the program looks at
it between two updates.
"""

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rewardmodel.learning.program import say
from rewardmodel.learning.rundirectory import RunDirectory


@dataclass(frozen=True)
class Change:
    """One change, in force from the update after it was seen."""

    number: int  # from 1, rising
    kl_coef: float | None = None  # score given up per nat from now on
    finish: bool = False  # make no further update; what was learned is the result


def changes(directory: RunDirectory) -> list[Change]:
    """All changes so far. A file that can't be read changes nothing: the run is worth more."""
    try:
        rows = json.loads((directory.path / "steering.json").read_text(encoding="utf-8"))
        return [_change(row) for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        say(f"steering.json can't be read and is passed over ({error}).")
        return []


def _change(row: dict[str, Any]) -> Change:
    price = row.get("kl_coef")
    if price is not None and not (isfinite(price) and price >= 0):
        raise ValueError(f"kl_coef={price} must be a number from 0")
    return Change(int(row["number"]), price, bool(row.get("finish", False)))
