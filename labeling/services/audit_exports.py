"""The audit log as a file, row by row."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from labeling.models import AuditEvent

COLUMNS = [
    *("id", "at", "actor", "act", "subject_type", "subject_id", "subject", "campaign", "details"),
]
# A spreadsheet takes a cell that begins like this for a formula, and runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def audit_row(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "actor": event.actor.username if event.actor else "",
        "act": event.act,
        "subject_type": event.subject_type,
        "subject_id": event.subject_id,
        "subject": event.subject,
        "campaign": event.campaign.name if event.campaign else "",
        "details": event.details,
    }


def csv_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    """A header and a line for each event; no cell is a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for event in events:
        row = audit_row(event)
        row["details"] = json.dumps(row["details"], ensure_ascii=False)
        yield writer.writerow([harmless(row[column]) for column in COLUMNS])


def harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


class _Echo:
    """A file that hands over each line at once."""

    def write(self, line: str) -> str:
        return line
