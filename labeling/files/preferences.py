"""Reading preference files made elsewhere: TRL and HH-RLHF layouts, JSONL or gzip.

No database. A file is read line by line, so its size does not matter; a line may be long, but
not without end.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LONGEST_LINE = 16_000_000  # bytes: a prompt may bring its images along
LONGEST_RESPONSE = 50_000  # characters
HALF = re.compile("[\ud800-\udfff]")  # two that belong together are one character by then

Message = dict[str, Any]


NUL = gettext_lazy('"%(name)s" holds a NUL character, which no text may.')


class BadLine(ValueError):
    """A line that can't be used, with its number; in a file that is one list, an entry."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(_("Line %(number)d: %(problem)s") % {"number": number, "problem": problem})
        self.number = number
        self.problem = problem


class NotComparable(Exception):
    """A well-formed pair whose two sides do not answer the same prompt."""


@dataclass(frozen=True)
class Preference:
    """One pair as a file states it."""

    number: int  # of its line
    prompt: list[Message]
    chosen: str
    rejected: str
    category: str
    margin: float | None  # 0..1, how much better chosen is; None where the file says nothing


def read_preferences(file: IO[bytes]) -> Iterator[Preference | None]:
    """The pairs of a file in its order; None for a pair that is well formed but not comparable.

    Raises:
        BadLine: at the first line that is not UTF-8, not JSON, too long or lacks a field.
    """
    for number, row in read_objects(file):
        try:
            yield preference_of(number, row)
        except NotComparable:
            yield None


def read_objects(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, each with the number of its line.

    Raises:
        BadLine: at the first line that is not UTF-8, not a JSON object or too long.
    """
    for number, line in read_lines(decompressed(file)):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise BadLine(number, _("this is not valid JSON.")) from None
        if not isinstance(row, dict):
            raise BadLine(number, _("each line must be a JSON object."))
        check_characters(number, row)
        yield number, row


def check_characters(number: int, value: Any) -> None:
    """Refuse, with the line, half of a surrogate pair: JSON can write it, no text can hold it."""
    if isinstance(value, str):
        if HALF.search(value):
            raise BadLine(number, _("it holds half a character (a lone surrogate)."))
    elif isinstance(value, dict | list):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        for part in parts:
            check_characters(number, part)


def decompressed(file: IO[bytes]) -> IO[bytes]:
    start = file.read(2)
    file.seek(0)
    return gzip.open(file) if start == b"\x1f\x8b" else file  # type: ignore[return-value]


def read_lines(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """The lines of a text with their numbers, empty ones included; none longer than allowed.

    Raises:
        BadLine: at the first line that is not UTF-8 or too long, or where the file is damaged.
    """
    number = 0
    while True:
        number += 1
        try:
            raw = file.readline(LONGEST_LINE + 1)
        except (OSError, EOFError):
            raise BadLine(number, _("the compressed file is damaged from here on.")) from None
        if not raw:
            return
        if len(raw) > LONGEST_LINE:
            raise BadLine(
                number,
                _("the line is longer than %(most)s bytes.") % {"most": intcomma(LONGEST_LINE)},
            )
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise BadLine(
                number, _("the text is not UTF-8; convert the file and try again.")
            ) from None
        yield number, text


def preference_of(number: int, row: dict[str, Any]) -> Preference:
    """One row in any of the layouts.

    Raises:
        BadLine: it lacks something.
        NotComparable: its sides answer different prompts.
    """
    for name in ("chosen", "rejected"):
        if name not in row:
            raise BadLine(number, _('the field "%(name)s" is missing.') % {"name": name})
    if "prompt" in row:
        prompt = read_messages(number, row["prompt"])
        chosen, rejected = (read_answer(number, row[name]) for name in ("chosen", "rejected"))
    elif isinstance(row["chosen"], str) and isinstance(row["rejected"], str):
        prompt, chosen, rejected = _hh_pair(number, row["chosen"], row["rejected"])
    else:
        prompt, chosen, rejected = _implicit_pair(number, row["chosen"], row["rejected"])
    for text in (chosen, rejected):
        check_response(number, text)
    margin = row.get("margin")
    if margin is not None and not (isinstance(margin, int | float) and 0 <= margin <= 1):
        raise BadLine(number, _('"margin" must be a number from 0 to 1.'))
    category = read_category(number, row.get("category", ""))
    return Preference(number, prompt, chosen, rejected, category, margin)


def check_response(number: int, text: str) -> None:
    """Refuse, with the line, a response that can't be stored."""
    if len(text) > LONGEST_RESPONSE:
        raise BadLine(
            number,
            _("a response is longer than %(most)s characters.")
            % {"most": intcomma(LONGEST_RESPONSE)},
        )
    if "\x00" in text:
        raise BadLine(number, _("a response holds a NUL character, which no text may."))


def read_category(number: int, category: Any) -> str:
    """What a prompt is about; as much of it as is kept."""
    if not isinstance(category, str):
        raise BadLine(number, _('"category" must be a text.'))
    if "\x00" in category:
        raise BadLine(number, NUL % {"name": "category"})
    return category[:60]


def read_messages(number: int, prompt: Any) -> list[Message]:
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not prompt:
        raise BadLine(number, _("the prompt is empty."))
    for message in prompt:
        if (
            not isinstance(message, dict)
            or not isinstance(message.get("role"), str)
            or not isinstance(message.get("content"), str)
        ):
            raise BadLine(number, _('each message needs a "role" and a "content".'))
    return prompt


def read_answer(number: int, answer: Any) -> str:
    if isinstance(answer, str):
        return answer.strip()
    if (
        isinstance(answer, list)
        and len(answer) == 1
        and isinstance(answer[0], dict)
        and isinstance(answer[0].get("content"), str)
    ):
        return answer[0]["content"].strip()
    raise BadLine(number, _("a response must be a text or one assistant message."))


def _implicit_pair(number: int, chosen: Any, rejected: Any) -> tuple[list[Message], str, str]:
    """Two whole conversations that share everything but the last message."""
    one, other = read_messages(number, chosen), read_messages(number, rejected)
    if one[:-1] != other[:-1]:
        raise NotComparable
    if len(one) < 2:
        raise BadLine(number, _("the conversation has no prompt before the answer."))
    return one[:-1], one[-1]["content"].strip(), other[-1]["content"].strip()


_TURN = re.compile(r"\n\n(Human|Assistant):")


def _hh_pair(number: int, chosen: str, rejected: str) -> tuple[list[Message], str, str]:
    """The HH-RLHF layout: the whole dialogue as one text, once for each side."""
    one, other = _hh_turns(number, chosen), _hh_turns(number, rejected)
    if one[:-1] != other[:-1] or one[-1]["role"] != "assistant":
        raise NotComparable
    return one[:-1], one[-1]["content"], other[-1]["content"]


def _hh_turns(number: int, text: str) -> list[Message]:
    parts = _TURN.split(text)  # before, role, content, role, content ...
    if len(parts) < 5:
        raise BadLine(
            number,
            _(
                'without a "prompt", chosen and rejected must be dialogues with '
                '"\\n\\nHuman:" and "\\n\\nAssistant:" turns.'
            ),
        )
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[role], "content": content.strip()}
        for role, content in zip(parts[1::2], parts[2::2], strict=True)
    ]
