import dataclasses
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.annotated import AnnotatedPair
from labeling.files.demonstrations import Example
from labeling.files.preferences import BadLine, Preference, read_preferences
from labeling.files.prompts import BadCell
from labeling.models import (
    Act,
    Campaign,
    Comparison,
    DemonstrationImport,
    Judgment,
    Policy,
    PreferenceImport,
    Prompt,
    Response,
    User,
)
from labeling.services import audit
from labeling.services.comparisons import create_comparisons
from labeling.services.prompts import check_messages, store_prompts

FileModel = TypeVar("FileModel", PreferenceImport, DemonstrationImport)
FileRow = TypeVar("FileRow", Preference, AnnotatedPair, Example)

ROWS_AT_A_TIME = 500
# Judgments get keys made from the file and the line, so that no row is ever stored twice.
KEYS = uuid.UUID("6a1c5c0e-7b0e-4d8a-9a35-0c5a3f1f7a11")


@dataclass
class ImportReport:
    """What became of a file's rows."""

    preferences: int = 0  # pairs that were taken in
    judgments: int = 0  # on them: more, where several people judged each
    discarded: int = 0  # identical or empty responses
    repeated: int = 0  # the same pair stands earlier in the file or campaign
    not_comparable: int = 0  # the two sides answer different prompts


@transaction.atomic
def import_preferences(
    *,
    campaign: Campaign,
    file: IO[bytes],
    name: str,
    by: User | None,
    now: datetime,
    first: int | None = None,
    folder: Path | None = None,
) -> ImportReport:
    """Take in a file of preferences that people gave elsewhere: all of it, or nothing.

    With `first`, only so many rows from the beginning are wanted and read. Images in prompts are
    data: addresses, or paths from `folder` on.

    Raises:
        NotAPairCampaign: pairs are judged nowhere else.
        BadRow: with the line number; nothing was imported.
        AlreadyImported: the campaign has this very file.
    """
    if campaign.kind != Campaign.Kind.COMPARISON:
        raise errors.NotAPairCampaign
    source = register_file(PreferenceImport, campaign, file, name, by)
    report = ImportReport()
    author = author_of_imports()
    with all_or_nothing():
        rows = islice(read_preferences(file), first)
        while batch := list(islice(rows, ROWS_AT_A_TIME)):
            _store(batch, campaign, source, author, report, now, folder)
    return conclude(source, report, by)


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """What is wrong with one row refuses the whole file, and says so.

    Raises:
        BadRow: with the row at fault.
    """
    try:
        yield
    except (BadLine, BadCell) as problem:
        raise errors.BadRow(_("%(problem)s Nothing was imported.") % {"problem": problem}) from None


def conclude(source: PreferenceImport, report: ImportReport, by: User | None) -> ImportReport:
    """The end of an import of preferences, which is in the audit log from now on.

    Raises:
        BadRow: no pair came in.
    """
    if not report.preferences:
        raise errors.BadRow(_("The file holds no usable pair. Nothing was imported."))
    audit.record(
        actor=by, act=Act.PREFERENCES_IMPORTED, subject=source, details=dataclasses.asdict(report)
    )
    return report


def register_file(
    kind: type[FileModel], campaign: Campaign, file: IO[bytes], name: str, by: User | None
) -> FileModel:
    """The row of a file that comes into a campaign, at whose beginning the file stands again.

    Raises:
        AlreadyImported: the campaign has a file with these bytes.
    """
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    file.seek(0)
    try:
        with transaction.atomic():
            return kind._default_manager.create(
                campaign=campaign, name=name[:200], digest=digest.hexdigest(), imported_by=by
            )
    except IntegrityError:
        raise errors.AlreadyImported from None


def author_of_imports() -> Policy:
    """Who wrote imported responses is not known; they all stand under this name."""
    return Policy.objects.get_or_create(name="imported", version=0)[0]


def _store(
    batch: list[Preference | None],
    campaign: Campaign,
    source: PreferenceImport,
    author: Policy,
    report: ImportReport,
    now: datetime,
    folder: Path | None,
) -> None:
    rows = [row for row in batch if row is not None]
    report.not_comparable += len(batch) - len(rows)
    usable = [
        (row, prompt)
        for row, prompt in with_prompts(rows, folder)
        if row.chosen and row.rejected and row.chosen != row.rejected
    ]
    report.discarded += len(rows) - len(usable)
    fresh = list(_not_stored_before(usable, campaign))
    report.repeated += len(usable) - len(fresh)
    judgments = _judged_pairs(fresh, campaign, source, author, now)
    report.discarded += len(fresh) - len(judgments)
    Judgment.objects.bulk_create(judgments)
    report.preferences += len(judgments)
    report.judgments += len(judgments)


def _judged_pairs(
    rows: list[tuple[Preference, Prompt]],
    campaign: Campaign,
    source: PreferenceImport,
    author: Policy,
    now: datetime,
) -> list[Judgment]:
    """Each row as a comparison, stored, and a judgment of it, not yet stored.

    There is none of responses that differ in white space alone.
    """
    pairs = [
        (
            row,
            Response(prompt=prompt, policy=author, text=row.chosen),
            Response(prompt=prompt, policy=author, text=row.rejected),
        )
        for row, prompt in rows
    ]
    Response.objects.bulk_create([response for _, *both in pairs for response in both])
    # Which of the two comes first is settled by chance, or "first is better" would be a fact.
    ordered = [
        (chosen, rejected) if _coin(source, row.number) else (rejected, chosen)
        for row, chosen, rejected in pairs
    ]
    comparisons = {
        comparison.first_id: comparison
        for comparison in create_comparisons(campaign=campaign, pairs=ordered, with_slots=False)
    }
    return [
        _judgment(row, chosen, comparisons[first.pk], source, campaign.strength, now)
        for (row, chosen, _), (first, _) in zip(pairs, ordered, strict=True)
        if first.pk in comparisons
    ]


def with_prompts(rows: Sequence[FileRow], folder: Path | None) -> list[tuple[FileRow, Prompt]]:
    """Each row of a file with its prompt, which is stored.

    Raises:
        BadLine: with what is wrong with a prompt.
    """
    checked = []
    for row in rows:
        try:
            checked.append((check_messages(row.prompt, folder), row.category))
        except errors.BadRow as problem:
            raise BadLine(row.number, str(problem)) from None
    return list(zip(rows, store_prompts(checked), strict=True))


def _not_stored_before(
    rows: list[tuple[Preference, Prompt]], campaign: Campaign
) -> Iterator[tuple[Preference, Prompt]]:
    stored = Comparison.objects.filter(
        campaign=campaign, prompt__in={prompt.pk for _, prompt in rows}
    ).values_list("prompt_id", "first__text", "second__text")
    seen = {(prompt, frozenset((first, second))) for prompt, first, second in stored}
    for row, prompt in rows:
        pair = (prompt.pk, frozenset((row.chosen, row.rejected)))
        if pair not in seen:
            seen.add(pair)
            yield row, prompt


def _coin(source: PreferenceImport, line: int) -> bool:
    return hashlib.sha256(f"{source.digest}:{line}".encode()).digest()[0] % 2 == 0


def _judgment(
    row: Preference,
    chosen: Response,
    comparison: Comparison,
    source: PreferenceImport,
    strength: int,
    now: datetime,
) -> Judgment:
    size = 1 if row.margin is None else max(1, round(row.margin * strength))
    return Judgment(
        comparison=comparison,
        judge_kind=Judgment.JudgeKind.PERSON,
        imported_from=source,
        preference=-size if comparison.first_id == chosen.pk else size,
        client_key=uuid.uuid5(KEYS, f"{source.pk}:{row.number}"),
        created_at=now,
    )
