from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from labeling.management.command_line import find_campaign, read_or_refused
from labeling.services.annotated_imports import import_judgments


class Command(BaseCommand):
    help = (
        "Import preferences (TRL or HH-RLHF layout, or PandaLM's with several annotators; JSONL, "
        "JSON or gzip) into a campaign."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--campaign", required=True, help="name or number of the campaign")

    def handle(self, *, file: Path, campaign: str, **options: Any) -> None:
        into = find_campaign(campaign)
        with read_or_refused(file), file.open("rb") as source:
            report = import_judgments(
                campaign=into,
                file=source,
                name=file.name,
                by=None,
                now=timezone.now(),
                folder=file.parent,
            )
        self.stdout.write(
            f"Imported {report.preferences} preferences ({report.judgments} judgments); left out "
            f"{report.discarded} with identical or empty responses, {report.repeated} repeated, "
            f"{report.not_comparable} whose sides answer different prompts."
        )
