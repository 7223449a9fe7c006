from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.preferences import LONGEST_RESPONSE, BadLine, read_messages
from labeling.files.prompts import BadCell, Row, read_rows
from labeling.models import (
    Act,
    Campaign,
    Policy,
    Prompt,
    PromptFile,
    Response,
    User,
)
from labeling.sampling import Draw, even_quotas, proportional_quotas
from labeling.services import audit
from labeling.services.comparisons import create_comparisons, has_pair
from labeling.services.imports import all_or_nothing, author_of_imports
from labeling.services.prompts import Message, check_messages, check_words, store_prompts

ROWS_AT_A_TIME = 500
SEED = 0  # the same file and sample give the same prompts again


@dataclass(frozen=True)
class Wanted:
    """What of a file becomes prompts: which fields, which split of a folder, and how many rows."""

    prompt_field: str = "prompt"
    category_field: str = "category"
    split: str = ""
    sample_size: int | None = None  # None: every row
    spread: str = PromptFile.Spread.AS_IN_FILE

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.prompt_field, self.category_field, "responses")

    def quotas(self, counts: dict[str, int]) -> dict[str, int]:
        if self.sample_size is None:
            return dict(counts)
        spread = even_quotas if self.spread == PromptFile.Spread.EVENLY else proportional_quotas
        return spread(counts, self.sample_size)


@dataclass
class PromptReport:
    """What became of a file of prompts."""

    rows: int = 0  # in the file
    prompts: int = 0  # taken in, those that the campaign had already included
    pairs: int = 0
    categories: dict[str, int] = field(default_factory=dict)  # rows taken in, by category


class Watcher:
    """Who follows a long import. Each of its methods may raise, and nothing is imported."""

    def checked(self, rows: int) -> None:
        """So many rows are in order."""

    def counted(self, rows: int) -> None:
        """All rows are in order, and there are so many; now they are stored."""

    def storing(self) -> None:
        """Asked now and then in the transaction that stores."""


@dataclass(frozen=True)
class _Line:
    place: str
    messages: list[Message]
    category: str
    responses: list[str] | None


def import_prompts(
    *,
    campaign: Campaign,
    file: IO[bytes] | Path,
    name: str = "",
    folder: Path | None = None,
    wanted: Wanted | None = None,
    by: User | None = None,
    watcher: Watcher | None = None,
) -> PromptReport:
    """Add the prompts of a file or folder to a campaign: all that are wanted, or none.

    A row has a prompt (a text or messages) and perhaps a category; with "responses", two texts,
    it is a pair to judge at once, without them the campaign's policies may answer. The user's
    messages may carry "images". What the campaign has already is not added again.

    The file is read twice: once to check each row and count the categories, then to store.

    Args:
        name: what the file is called, where it does not know itself.
        folder: where relative paths of images begin.
        wanted: which fields, which split, how many rows.
        watcher: is told how far it is.

    Raises:
        BadRow: with the row and the field at fault.
    """
    wanted, watcher = wanted or Wanted(), watcher or Watcher()

    with all_or_nothing():
        counts = count_rows(file, wanted, name, watcher)
        with transaction.atomic():
            lines = _lines(file, wanted, name)
            report = _stored(lines, counts, wanted, campaign, folder, watcher)
            audit.record(
                actor=by,
                act=Act.PROMPTS_IMPORTED,
                subject=campaign,
                details={"file": name, "prompts": report.prompts, "pairs": report.pairs},
            )
    return report


def _lines(file: IO[bytes] | Path, wanted: Wanted, name: str) -> Iterator[_Line]:
    for row in read_rows(file, name, split=wanted.split, fields=wanted.fields):
        yield _line(row, wanted)


def count_rows(
    file: IO[bytes] | Path, wanted: Wanted, name: str = "", watcher: Watcher | None = None
) -> Counter[str]:
    """How many rows each category has, after each was looked at; nothing is stored.

    Raises:
        BadCell: with the row and the field at fault.
        BadRow: there is no row.
    """
    watcher = watcher or Watcher()
    counts: Counter[str] = Counter()
    for number, line in enumerate(_lines(file, wanted, name), start=1):
        counts[line.category] += 1
        if number % ROWS_AT_A_TIME == 0:
            watcher.checked(number)
    if not counts:
        raise errors.BadRow(_("The file holds no prompt. Nothing was imported."))
    watcher.counted(counts.total())
    return counts


def _stored(
    lines: Iterator[_Line],
    counts: Counter[str],
    wanted: Wanted,
    campaign: Campaign,
    folder: Path | None,
    watcher: Watcher,
) -> PromptReport:
    quotas = wanted.quotas(counts)
    draw = Draw(counts, quotas, SEED)
    chosen = (line for line in lines if draw.takes(line.category))
    report = PromptReport(rows=counts.total(), categories=quotas)
    author = author_of_imports()
    seen: set[int] = set()
    while batch := list(islice(chosen, ROWS_AT_A_TIME)):
        watcher.storing()
        prompts = _prompts(batch, folder)
        campaign.prompts.add(*prompts)
        seen.update(prompt.pk for prompt in prompts)
        report.pairs += _pairs(batch, prompts, campaign, author)
    report.prompts = len(seen)
    return report


def _prompts(batch: list[_Line], folder: Path | None) -> list[Prompt]:
    """The prompt of each line, stored."""
    checked = []
    for line in batch:
        try:
            checked.append((check_messages(line.messages, folder), line.category))
        except errors.BadRow as problem:
            raise BadCell(line.place, str(problem), "images") from None
    return store_prompts(checked)


def _pairs(batch: list[_Line], prompts: list[Prompt], campaign: Campaign, author: Policy) -> int:
    made = 0
    for line, prompt in zip(batch, prompts, strict=True):
        if line.responses is None or has_pair(campaign, prompt, line.responses):
            continue
        first, second = (
            Response.objects.create(prompt=prompt, policy=author, text=text)
            for text in line.responses
        )
        made += len(create_comparisons(campaign=campaign, pairs=[(first, second)]))
    return made


def _line(row: Row, wanted: Wanted) -> _Line:
    return _Line(
        row.place,
        _messages(row, wanted.prompt_field),
        _category(row, wanted.category_field),
        _responses(row),
    )


def _messages(row: Row, name: str) -> list[Message]:
    if name not in row.values:
        known = ", ".join(f"“{other}”" for other in row.values) or "–"
        raise BadCell(
            row.place, _("it is missing; the row has %(known)s.") % {"known": known}, name
        )
    try:
        messages = read_messages(0, row.values[name])
        check_words(messages)
    except BadLine as problem:
        raise BadCell(row.place, problem.problem, name) from None
    except errors.BadRow as problem:
        raise BadCell(row.place, str(problem), name) from None
    return messages


def _category(row: Row, name: str) -> str:
    category = row.values.get(name) or ""
    if not isinstance(category, str):
        raise BadCell(row.place, _("it must be a text."), name)
    if "\x00" in category:
        raise BadCell(row.place, _("it holds a NUL character, which no text may."), name)
    return category.strip()[:60]


def _responses(row: Row) -> list[str] | None:
    texts = row.values.get("responses")
    if texts is None:
        return None
    if not isinstance(texts, list) or len(texts) != 2 or not all(map(_is_response, texts)):
        raise BadCell(
            row.place,
            _("it must be two texts of up to %(most)s characters.")
            % {"most": intcomma(LONGEST_RESPONSE)},
            "responses",
        )
    return texts


def _is_response(text: Any) -> bool:
    return (
        isinstance(text, str) and 0 < len(text.strip()) <= LONGEST_RESPONSE and "\x00" not in text
    )
