"""Reading files of demonstrations made elsewhere: the layouts that TRL's SFT reads.

A line is {"messages": [...]} whose last message is the assistant's, or {"prompt": a text or
messages, "completion": a text or one assistant message}; "category" may stand in both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.utils.translation import gettext as _

from labeling.files.preferences import (
    BadLine,
    Message,
    check_response,
    read_answer,
    read_category,
    read_messages,
    read_objects,
)


@dataclass(frozen=True)
class Example:
    """One demonstration as a file states it."""

    number: int  # of its line
    prompt: list[Message]
    text: str
    category: str


def read_demonstrations(file: IO[bytes], field: str = "completion") -> Iterator[Example]:
    """The demonstrations of a file in its order.

    Args:
        file: JSONL, perhaps gzipped.
        field: under which the answer stands beside a "prompt", such as "chosen" in a file of
            preferences.

    Raises:
        BadLine: at the first line that is not UTF-8, not JSON, too long or lacks something.
    """
    for number, row in read_objects(file):
        prompt, text = _parts(number, row, field)
        if not text:
            raise BadLine(number, _("the answer is empty."))
        check_response(number, text)
        yield Example(number, prompt, text, read_category(number, row.get("category", "")))


def _parts(number: int, row: dict[str, Any], field: str) -> tuple[list[Message], str]:
    if "prompt" in row:
        if field not in row:
            raise BadLine(number, _('the field "%(name)s" is missing.') % {"name": field})
        return read_messages(number, row["prompt"]), read_answer(number, row[field])
    if "messages" not in row:
        raise BadLine(
            number, _('it needs "messages", or a "prompt" with a "%(name)s".') % {"name": field}
        )
    messages = read_messages(number, row["messages"])
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise BadLine(number, _("the last of the messages must be the assistant's answer."))
    return messages[:-1], messages[-1]["content"].strip()
