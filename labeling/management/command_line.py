"""What commands have in common: how a campaign is named, whose data goes, how a file is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from labeling.errors import Refused
from labeling.models import Campaign
from labeling.selectors.judgments import kinds_asked_for


def find_campaign(name: str) -> Campaign:
    """A campaign by its name or number, or CommandError with what there is."""
    found = Campaign.objects.filter(name=name).first()
    if found is None and name.isdecimal():
        found = Campaign.objects.filter(pk=int(name)).first()
    if found is None:
        there = ", ".join(f"{c.pk} ({c.name})" for c in Campaign.objects.order_by("id")[:20])
        raise CommandError(f"There is no campaign {name!r}. There are: {there or 'none'}.")
    return found


def add_kinds(parser: CommandParser) -> None:
    """Whose data is wanted besides people's."""
    parser.add_argument("--with-simulated", action="store_true", help="simulated people's too")
    parser.add_argument("--with-ai", action="store_true", help="models' too")


def kinds_of(options: dict[str, Any]) -> list[str]:
    return kinds_asked_for(simulated=options["with_simulated"], ai=options["with_ai"])


@contextmanager
def read_or_refused(file: Path) -> Iterator[None]:
    """What is wrong with a file that comes in ends the command with one sentence."""
    try:
        yield
    except OSError as problem:
        raise CommandError(f"{file} can't be read: {problem.strerror}.") from None
    except Refused as refusal:
        raise CommandError(str(refusal)) from None
