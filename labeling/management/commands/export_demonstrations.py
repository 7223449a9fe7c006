import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.management.command_line import add_kinds, find_campaign, kinds_of
from labeling.models import Act
from labeling.services.demonstration_snapshots import LAYOUTS, demonstration_rows
from labeling.services.exports import jsonl_lines, note_export


class Command(BaseCommand):
    help = "Write a campaign's ideal answers to stdout, as JSONL in a layout that TRL's SFT reads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="name or number of the campaign")
        parser.add_argument("--layout", choices=LAYOUTS, default="completion")
        add_kinds(parser)

    def handle(self, *, campaign: str, layout: str, **options: Any) -> None:
        kinds = kinds_of(options)
        found = find_campaign(campaign)
        note_export(
            campaign=found, kinds=kinds, to=layout, by=None, act=Act.DEMONSTRATIONS_EXPORTED
        )
        sys.stdout.writelines(jsonl_lines(demonstration_rows(found, kinds, layout)))
