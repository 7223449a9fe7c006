"""Scores for many responses, a few at a time, so that memory does not grow with their number."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from rewardmodel.learning.artifact import Scorer
from rewardmodel.learning.conversations import Message
from rewardmodel.learning.pairs import ROLES

ROWS_AT_A_TIME = 64


def scored(lines: Iterable[str], scorer: Scorer) -> Iterator[dict[str, Any]]:
    """Each row of a JSONL file with `score` and `uncertainty` added, in the same order.

    A row holds `prompt`, a text or messages, and `response`; what else it holds stays. Empty lines
    are passed over. The uncertainty is null where the model has one head.

    Raises:
        ValueError: a line that can't be scored, with its number; those before it have been given.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while some := list(islice(numbered, ROWS_AT_A_TIME)):
        rows: list[dict[str, Any]] = []
        refusal = None
        for number, line in some:
            try:
                rows.append(_row(number, line))
            except ValueError as error:
                refusal = error
                break
        if rows:
            conversations = [_messages(row["prompt"]) for row in rows]
            judged = scorer.judge(conversations, [row["response"] for row in rows])
            for row, (score, uncertainty) in zip(rows, judged, strict=True):
                yield {**row, "score": score, "uncertainty": uncertainty}
        if refusal is not None:
            raise refusal


def with_leads(rows: Iterable[dict[str, Any]], scorer: Scorer) -> Iterator[dict[str, Any]]:
    """Each pair with `leads`: by how much each head prefers the first response, in log-odds.

    A row holds `prompt`, messages, and `responses`, two texts; what else it holds stays.
    """
    rows = iter(rows)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        leads = scorer.leads(
            [row["prompt"] for row in some], [tuple(row["responses"]) for row in some]
        )
        for row, found in zip(some, leads.tolist(), strict=True):
            yield {**row, "leads": found}


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise ValueError(f"Line {number} is not JSON; mend it.") from None
    if not isinstance(row, dict) or not isinstance(row.get("response"), str):
        raise ValueError(f"Line {number} has no response that is a text; add one.")
    if not row["response"].strip():
        raise ValueError(f"Line {number} has an empty response; leave the line out.")
    messages = _messages(row.get("prompt"))
    if not messages or not all(_is_message(message) for message in messages):
        raise ValueError(f"Line {number} has no prompt, a text or messages with role and content.")
    return row


def _messages(prompt: Any) -> list[Message]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}] if prompt.strip() else []
    return prompt if isinstance(prompt, list) else []


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in ROLES
        and isinstance(message.get("content"), str)
    )
