import json
import sys
from argparse import FileType
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from labeling import artifacts
from rewardmodel.models import RewardModel


class Command(BaseCommand):
    help = (
        "Score responses with a reward model: JSONL with prompt and response in, the same rows "
        "with score (0 is average, 1 a standard deviation above) and uncertainty out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reward_model", type=int, help="number of a finished reward model")
        text = FileType(encoding="utf-8")
        parser.add_argument("--input", type=text, default=sys.stdin, help="a file; else stdin")
        parser.add_argument(
            "--pairs",
            action="store_true",
            help="rows hold prompt (messages) and two responses; leads of each head come out",
        )
        out = FileType("w", encoding="utf-8")
        parser.add_argument("--output", type=out, default=None, help="a file; else stdout")

    def handle(self, **options: Any) -> None:
        run = RewardModel.objects.filter(
            pk=options["reward_model"], status=RewardModel.Status.SUCCEEDED
        ).first()
        if run is None:
            raise CommandError(
                f"There is no finished reward model {options['reward_model']}; "
                "the page of reward models lists them."
            )
        # torch loads here, never where only the command's name is looked up
        from rewardmodel.learning.artifact import load_scorer
        from rewardmodel.learning.devices import own_device
        from rewardmodel.learning.scoring import scored, with_leads

        output = options["output"] or self.stdout
        try:
            scorer = load_scorer(artifacts.local_copy(run.checkpoint), own_device())
            lines = options["input"]
            rows = (
                with_leads((json.loads(line) for line in lines), scorer)
                if options["pairs"]
                else scored(lines, scorer)
            )
            for row in rows:
                output.write(json.dumps(row, ensure_ascii=False) + "\n")
            output.flush()
        except (ValueError, FileNotFoundError) as refusal:
            raise CommandError(str(refusal)) from None
