"""Reading files in which several people judged each pair: the layout of PandaLM's test set.

Each row has `instruction`, `input`, `response1`, `response2` and any number of annotators
(`annotator1`, `annotator2` ...), who say 1 (the first is better), 2 (the second) or 0 (neither).
`cmp_key` may name who wrote the two, as in "bloom-7b_llama-7b"; `category` (or `motivation_app`)
what the prompt is about. JSON lines or one JSON list, either gzipped; read row by row.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.utils.translation import gettext as _

from labeling.files.preferences import (
    LONGEST_LINE,
    BadLine,
    Message,
    check_characters,
    check_response,
    decompressed,
    read_category,
    read_objects,
)

CHUNK = 1 << 16  # bytes
ANNOTATOR = re.compile(r"annotator\d{1,4}")
MEANING = {0: 0, 1: -1, 2: 1}  # what an annotator writes -> preference about (first, second)


@dataclass(frozen=True)
class AnnotatedPair:
    """Two responses, in the file's order, and what each annotator says about them."""

    number: int  # of the line, or of the entry in a list
    prompt: list[Message]
    responses: tuple[str, str]  # either may be empty: people judged that too
    authors: tuple[str, str]  # blank where the file does not say
    answers: dict[str, int]  # annotator -> -1 first, 0 neither, 1 second
    category: str


def is_list(file: IO[bytes]) -> bool:
    """Whether a file is one JSON list; it stands at its beginning before and after."""
    start = decompressed(file).read(64).removeprefix(codecs.BOM_UTF8).lstrip()
    file.seek(0)
    return start.startswith(b"[")


def is_annotated(file: IO[bytes]) -> bool:
    """Whether the first row of a file has this layout. What can't be read has another."""
    try:
        first = next(read_rows(file), None)
    except BadLine:
        first = None
    file.seek(0)
    return first is not None and "response1" in first[1]


def read_annotated(file: IO[bytes]) -> Iterator[AnnotatedPair]:
    """The pairs of a file in its order.

    Raises:
        BadLine: at the first row that is not UTF-8, not JSON, too long or lacks something.
    """
    for number, row in read_rows(file):
        yield _pair(number, row)


def read_rows(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their numbers, whether it is a list or has one a line."""
    return _entries(decompressed(file)) if is_list(file) else read_objects(file)


def _entries(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of one JSON list, each read as soon as it is whole."""
    decoder, utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")()
    text, number, wanted = "", 1, CHUNK
    opened = False
    while True:
        chunk = _more(file, wanted, number)
        try:
            text += utf8.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            raise BadLine(
                number, _("the text is not UTF-8; convert the file and try again.")
            ) from None
        text = text.lstrip()
        if not opened and text:
            text, opened = text[1:], True  # the bracket by which the list was known
        while text:
            text = text.lstrip(", \t\r\n")
            if text.startswith("]"):
                return
            try:
                row, end = decoder.raw_decode(text)
            except ValueError:
                break  # not whole yet, or broken
            if not isinstance(row, dict):
                raise BadLine(number, _("each entry must be a JSON object."))
            check_characters(number, row)
            yield number, row
            text, number, wanted = text[end:], number + 1, CHUNK
        if not chunk:
            raise BadLine(number, _("this is not valid JSON."))
        if len(text) > LONGEST_LINE:
            raise BadLine(number, _("the entry is not valid JSON, or far too long."))
        wanted = max(CHUNK, len(text))  # twice as much each time: a long one is not read over often


def _more(file: IO[bytes], wanted: int, number: int) -> bytes:
    try:
        return file.read(wanted)
    except (OSError, EOFError):
        raise BadLine(number, _("the compressed file is damaged from here on.")) from None


def _pair(number: int, row: dict[str, Any]) -> AnnotatedPair:
    for name in ("instruction", "response1", "response2"):
        if name not in row:
            raise BadLine(number, _('the field "%(name)s" is missing.') % {"name": name})
    question = [_text(number, row, name) for name in ("instruction", "input") if name in row]
    one, other = (_text(number, row, name) for name in ("response1", "response2"))
    for text in (one, other):
        check_response(number, text)
    answers = {
        name: _answer(number, name, row[name]) for name in sorted(row) if ANNOTATOR.fullmatch(name)
    }
    if not answers:
        raise BadLine(number, _('no annotator is there: "annotator1", "annotator2" and so on.'))
    return AnnotatedPair(
        number,
        prompt=[{"role": "user", "content": "\n\n".join(part for part in question if part)}],
        responses=(one, other),
        authors=_authors(row.get("cmp_key")),
        answers=answers,
        category=read_category(number, row.get("category", row.get("motivation_app", ""))),
    )


def _text(number: int, row: dict[str, Any], name: str) -> str:
    """A text; true, false and numbers were answers that a program took for its own values."""
    value = row[name]
    if not isinstance(value, str | bool | int | float):
        raise BadLine(number, _('"%(name)s" must be a text.') % {"name": name})
    return str(value).strip()


def _answer(number: int, name: str, value: Any) -> int:
    if type(value) is not int or value not in MEANING:
        raise BadLine(
            number,
            _('"%(name)s" must be 0 (neither), 1 (the first is better) or 2 (the second).')
            % {"name": name},
        )
    return MEANING[value]


def _authors(key: Any) -> tuple[str, str]:
    """Who wrote the first and the second, as names that a policy may have."""
    parts = key.split("_") if isinstance(key, str) else []
    names = [re.sub(r"[^\w-]+", "-", part, flags=re.ASCII).strip("-")[:60] for part in parts]
    return (names[0], names[1]) if len(names) == 2 and all(names) else ("", "")
