from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from labeling.errors import Refused
from labeling.models import Campaign
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
        try:
            with file.open("rb") as source:
                report = import_judgments(
                    campaign=into,
                    file=source,
                    name=file.name,
                    by=None,
                    now=timezone.now(),
                    folder=file.parent,
                )
        except OSError as problem:
            raise CommandError(f"{file} can't be read: {problem.strerror}.") from None
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"Imported {report.preferences} preferences ({report.judgments} judgments); left out "
            f"{report.discarded} with identical or empty responses, {report.repeated} repeated, "
            f"{report.not_comparable} whose sides answer different prompts."
        )


def find_campaign(name: str) -> Campaign:
    """A campaign by its name or number, or CommandError with what there is."""
    found = Campaign.objects.filter(name=name).first()
    if found is None and name.isdecimal():
        found = Campaign.objects.filter(pk=int(name)).first()
    if found is None:
        there = ", ".join(f"{c.pk} ({c.name})" for c in Campaign.objects.order_by("id")[:20])
        raise CommandError(f"There is no campaign {name!r}. There are: {there or 'none'}.")
    return found
