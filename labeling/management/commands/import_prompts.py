from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.errors import Refused
from labeling.management.commands.import_preferences import find_campaign
from labeling.services.prompt_imports import import_prompts


class Command(BaseCommand):
    help = (
        "Import prompts (JSONL or gzip; images as data: addresses or paths relative to the file) "
        'into a campaign. With two "responses" a prompt is a pair to judge.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--campaign", required=True, help="name or number of the campaign")

    def handle(self, *, file: Path, campaign: str, **options: Any) -> None:
        into = find_campaign(campaign)
        try:
            with file.open("rb") as source:
                report = import_prompts(campaign=into, file=source, folder=file.parent)
        except OSError as problem:
            raise CommandError(f"{file} can't be read: {problem.strerror}.") from None
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Imported {report.prompts} prompts and {report.pairs} pairs to judge.")
