import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.command_line import add_kinds, find_campaign, kinds_of
from labeling.services.exports import (
    jsonl_lines,
    note_export,
    preference_rows,
    write_jsonl,
    write_parquet,
)


class Command(BaseCommand):
    help = "Write a campaign's preferences in the layout that TRL reads (JSONL or Parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="name or number of the campaign")
        parser.add_argument(
            "--output", type=Path, help="*.jsonl or *.parquet; else JSONL to stdout"
        )
        add_kinds(parser)

    def handle(self, *, campaign: str, output: Path | None, **options: Any) -> None:
        kinds, found = kinds_of(options), find_campaign(campaign)
        layout = "jsonl" if output is None else output.suffix.removeprefix(".")
        if layout not in ("jsonl", "parquet"):
            raise CommandError(f"{output} must end in .jsonl or .parquet.")
        note_export(campaign=found, kinds=kinds, to=layout, by=None)
        rows = preference_rows(found, kinds)
        if output is None:
            sys.stdout.writelines(jsonl_lines(rows))
            return
        try:
            count = written(rows, output)
        except OSError as problem:
            raise CommandError(f"{output} can't be written: {problem.strerror}.") from None
        self.stdout.write(f"Wrote {count} preferences to {output}.")


def written(rows: Iterator[dict[str, Any]], output: Path) -> int:
    """Write a file that is there whole or not at all; returns how many rows it has."""
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("wb") as file:
            write = write_parquet if output.suffix == ".parquet" else write_jsonl
            count = write(rows, file)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return count
