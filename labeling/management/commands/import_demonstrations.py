from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from labeling.management.command_line import find_campaign, read_or_refused
from labeling.models import Judgment
from labeling.services.demonstration_imports import import_demonstrations


class Command(BaseCommand):
    help = (
        "Import ideal answers into a campaign, JSONL or gzip: a line has the messages of a whole "
        "conversation, or a prompt and its completion."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--campaign", required=True, help="name or number of the campaign")
        parser.add_argument(
            "--written-by",
            choices=Judgment.JudgeKind.values,
            default=Judgment.JudgeKind.PERSON,
            help="who wrote the answers; unasked, training takes only those of people",
        )
        parser.add_argument(
            "--field", default="completion", help='under which the answer stands beside a "prompt"'
        )

    def handle(self, *, file: Path, campaign: str, **options: Any) -> None:
        into = find_campaign(campaign)
        with read_or_refused(file), file.open("rb") as source:
            report = import_demonstrations(
                campaign=into,
                file=source,
                name=file.name,
                by=None,
                now=timezone.now(),
                author_kind=options["written_by"],
                field=options["field"],
                folder=file.parent,
            )
        self.stdout.write(
            f"Imported {report.demonstrations} demonstrations; left out {report.repeated} repeated."
        )
