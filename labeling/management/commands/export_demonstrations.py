import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.management.commands.import_preferences import find_campaign
from labeling.models import Act, Judgment
from labeling.services.demonstration_snapshots import LAYOUTS, demonstration_rows
from labeling.services.exports import jsonl_lines, note_export

KINDS = Judgment.JudgeKind


class Command(BaseCommand):
    help = "Write a campaign's ideal answers to stdout, as JSONL in a layout that TRL's SFT reads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="name or number of the campaign")
        parser.add_argument("--layout", choices=LAYOUTS, default="completion")
        parser.add_argument("--with-simulated", action="store_true", help="simulated authors too")
        parser.add_argument("--with-ai", action="store_true", help="answers by models too")

    def handle(self, *, campaign: str, layout: str, **options: Any) -> None:
        kinds = [KINDS.PERSON]
        kinds += [KINDS.SIMULATION] if options["with_simulated"] else []
        kinds += [KINDS.AI] if options["with_ai"] else []
        found = find_campaign(campaign)
        note_export(
            campaign=found, kinds=kinds, to=layout, by=None, act=Act.DEMONSTRATIONS_EXPORTED
        )
        sys.stdout.writelines(jsonl_lines(demonstration_rows(found, kinds, layout)))
