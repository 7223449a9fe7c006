import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.commands.import_preferences import find_campaign
from labeling.models import Judgment
from labeling.services.exports import jsonl_lines, preference_rows, write_parquet


class Command(BaseCommand):
    help = "Write a campaign's preferences in the layout that TRL reads (JSONL or Parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="name or number of the campaign")
        parser.add_argument(
            "--output", type=Path, help="*.jsonl or *.parquet; else JSONL to stdout"
        )
        parser.add_argument("--with-simulated", action="store_true", help="simulated labelers too")
        parser.add_argument("--with-ai", action="store_true", help="AI judges too")

    def handle(self, *, campaign: str, output: Path | None, **options: Any) -> None:
        kinds = [Judgment.JudgeKind.PERSON]
        kinds += [Judgment.JudgeKind.SIMULATION] if options["with_simulated"] else []
        kinds += [Judgment.JudgeKind.AI] if options["with_ai"] else []
        rows = preference_rows(find_campaign(campaign), kinds)
        if output is None:
            sys.stdout.writelines(jsonl_lines(rows))
            return
        if output.suffix not in (".jsonl", ".parquet"):
            raise CommandError(f"{output} must end in .jsonl or .parquet.")
        unfinished = output.with_name(output.name + ".part")
        try:
            with unfinished.open("wb") as file:
                if output.suffix == ".parquet":
                    count = write_parquet(rows, file)
                else:
                    count = 0
                    for line in jsonl_lines(rows):
                        file.write(line.encode())
                        count += 1
        except OSError as problem:
            unfinished.unlink(missing_ok=True)
            raise CommandError(f"{output} can't be written: {problem.strerror}.") from None
        unfinished.replace(output)
        self.stdout.write(f"Wrote {count} preferences to {output}.")
