import dataclasses
import uuid
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors
from labeling.files.demonstrations import Example, read_demonstrations
from labeling.models import Act, Campaign, Demonstration, DemonstrationImport, Judgment, User
from labeling.services import audit
from labeling.services.imports import ROWS_AT_A_TIME, all_or_nothing, register_file, with_prompts

# Demonstrations get keys made from the file and the line, so that no row is ever stored twice.
KEYS = uuid.UUID("0b0f7f53-7f0d-4b9e-8f5b-6f2c3a4e9d20")


@dataclass
class DemonstrationReport:
    """What became of a file's rows."""

    demonstrations: int = 0
    repeated: int = 0  # the same answer to the same prompt stands earlier in file or campaign


@transaction.atomic
def import_demonstrations(
    *,
    campaign: Campaign,
    file: IO[bytes],
    name: str,
    by: User | None,
    now: datetime,
    author_kind: str = Judgment.JudgeKind.PERSON,
    field: str = "completion",
    folder: Path | None = None,
) -> DemonstrationReport:
    """Take in a file of ideal answers that were written elsewhere: all of it, or nothing.

    Args:
        campaign: may be of any kind.
        file: see `labeling.files.demonstrations`.
        name: of the file.
        by: who imports it.
        now: the moment.
        author_kind: who wrote the answers, as the importer knows: a person, an AI, a simulation.
        field: under which the answer stands beside a "prompt".
        folder: where relative paths of images begin.

    Raises:
        BadRow: with the line number; nothing was imported.
        AlreadyImported: the campaign has this very file.
    """
    source = register_file(DemonstrationImport, campaign, file, name, by)
    report = DemonstrationReport()
    with all_or_nothing():
        rows = read_demonstrations(file, field)
        while batch := list(islice(rows, ROWS_AT_A_TIME)):
            _store(batch, campaign, source, author_kind, report, now, folder)
    if not report.demonstrations:
        raise errors.BadRow(_("The file holds no new demonstration. Nothing was imported."))
    audit.record(
        actor=by,
        act=Act.DEMONSTRATIONS_IMPORTED,
        subject=source,
        details={**dataclasses.asdict(report), "author_kind": str(author_kind)},
    )
    return report


def _store(
    batch: list[Example],
    campaign: Campaign,
    source: DemonstrationImport,
    author_kind: str,
    report: DemonstrationReport,
    now: datetime,
    folder: Path | None,
) -> None:
    rows = with_prompts(batch, folder)
    seen = set(
        Demonstration.objects.filter(
            campaign=campaign,
            prompt__in={prompt.pk for _row, prompt in rows},
            superseded_by__isnull=True,
            author_kind=author_kind,
        ).values_list("prompt_id", "text")
    )
    fresh = []
    for row, prompt in rows:
        if (prompt.pk, row.text) in seen:
            report.repeated += 1
            continue
        seen.add((prompt.pk, row.text))
        fresh.append(
            Demonstration(
                campaign=campaign,
                prompt=prompt,
                text=row.text,
                author_kind=author_kind,
                imported_from=source,
                client_key=uuid.uuid5(KEYS, f"{source.pk}:{row.number}"),
                created_at=now,
            )
        )
    Demonstration.objects.bulk_create(fresh)
    report.demonstrations += len(fresh)
