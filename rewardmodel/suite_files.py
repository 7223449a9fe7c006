"""Reading test suites made elsewhere: pairs whose better response is known.

RewardBench has prompt, chosen, rejected and subset; LLMBar has input, output_1, output_2 and the
label of the better one; a file of one's own may be in any layout that preferences are imported in.
"""

import json
from collections.abc import Iterator
from typing import IO, Any

from django.utils.translation import gettext as _

from labeling.files.preferences import (
    BadLine,
    NotComparable,
    check_characters,
    preference_of,
    read_objects,
)

LARGEST = 64 * 1024 * 1024  # bytes; RewardBench has eight million
MOST_ROWS = 20_000
ROLES = ("system", "user", "assistant")


def read_suite(file: IO[bytes]) -> list[dict[str, Any]]:
    """The pairs of a file, with prompt (messages), chosen, rejected and subset.

    A JSON array or JSONL, gzipped or not. Pairs with equal or empty responses are left out, and so
    are those whose sides answer different prompts: there is nothing to be right about.

    Raises:
        BadLine: with the number of the row that can't be used, or where there are too many.
    """
    rows = []
    for number, row in _objects(file):
        try:
            pair = preference_of(number, _with_sides(number, row))
        except NotComparable:
            continue
        if any(message["role"] not in ROLES for message in pair.prompt):
            raise BadLine(number, _("a role must be system, user or assistant."))
        if not pair.chosen or not pair.rejected or pair.chosen == pair.rejected:
            continue
        rows.append(
            {
                "prompt": [{"role": m["role"], "content": m["content"]} for m in pair.prompt],
                "chosen": pair.chosen,
                "rejected": pair.rejected,
                "subset": pair.category,
            }
        )
        if len(rows) > MOST_ROWS:
            raise BadLine(number, _("a suite has at most %(most)d pairs.") % {"most": MOST_ROWS})
    return rows


def _objects(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of an array, or those of the lines."""
    start = file.read(1)
    file.seek(0)
    if start != b"[":
        yield from read_objects(file)
        return
    text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise BadLine(1, _("an array may have 64 MB; longer files must be JSONL."))
    try:
        rows = json.loads(text)
    except ValueError:
        raise BadLine(1, _("this is not valid JSON.")) from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise BadLine(number, _("each entry must be a JSON object."))
        check_characters(number, row)
        yield number, row


def _with_sides(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """A row of LLMBar or RewardBench in the layout of preferences; others as they are."""
    if {"input", "output_1", "output_2", "label"} <= row.keys():
        if row["label"] not in (1, 2):
            raise BadLine(number, _('"label" must be 1 or 2.'))
        better, worse = ("output_1", "output_2") if row["label"] == 1 else ("output_2", "output_1")
        return {"prompt": row["input"], "chosen": row[better], "rejected": row[worse]}
    return {**row, "category": row.get("subset", row.get("category", ""))}
