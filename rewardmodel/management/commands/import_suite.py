from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.management.command_line import read_or_refused
from rewardmodel.services.suites import import_suite


class Command(BaseCommand):
    help = "Import a test suite for reward models: RewardBench, LLMBar or preferences, JSON(L)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--name", help="what it is called; else the name of the file")

    def handle(self, *, file: Path, name: str | None, **options: Any) -> None:
        with read_or_refused(file), file.open("rb") as source:
            suite = import_suite(file=source, name=(name or file.stem)[:80], by=None)
        self.stdout.write(f"{suite.name}: {suite.pairs} pairs.")
