from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.errors import Refused
from rlhf.rehearsal import Rehearsal, RehearsalFailed, as_table

DEFAULT_DATA = settings.ROOT / "labeling" / "demo" / "preferences.jsonl"


class Command(BaseCommand):
    help = "Run one whole round on the running system, with simulated labelers, and tell."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="preferences to import")
        parser.add_argument("--preferences", type=int, default=400, help="rows of it at most")
        parser.add_argument("--pairs", type=int, default=96, help="pairs that vLLM writes")
        parser.add_argument("--updates", type=int, default=10, help="PPO updates")
        parser.add_argument("--labelers", type=int, default=3)
        parser.add_argument("--noise", type=float, default=0.1, help="share of random answers")
        parser.add_argument("--left-bias", type=float, default=0.1, help="worth of standing left")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--output", type=Path, default=settings.VAR / "loop")

    def handle(self, **options: Any) -> None:
        rehearsal = Rehearsal(
            data=options["data"],
            preferences=options["preferences"],
            pairs=options["pairs"],
            updates=options["updates"],
            labelers=options["labelers"],
            noise=options["noise"],
            left_bias=options["left_bias"],
            seed=options["seed"],
            output=options["output"],
            tell=self._tell,
        )
        try:
            report = rehearsal.run()
        except (Refused, RehearsalFailed) as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write("\n" + as_table(report))
        self.stdout.write(f"As JSON: {rehearsal.report_path}")

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
