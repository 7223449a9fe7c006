"""Filters that put values into the form people read."""

from datetime import timedelta
from difflib import unified_diff
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from labeling.charts.lines import figure
from labeling.models import Judgment, SnapshotOrder
from labeling.reading import differences as comparing
from labeling.reading.rendering import render_markdown
from labeling.sayings import said

register = template.Library()
register.filter(said)

TONES = {
    "open": "good",
    "succeeded": "good",
    "promoted": "good",
    "done": "good",
    "paused": "warn",
    "rolled_back": "warn",
    "queued": "",
    "running": "busy",
    "failed": "bad",
}


@register.filter
def markdown(text: str) -> SafeString:
    """Formatted and harmless; rendering.py says why this is safe."""
    return mark_safe(render_markdown(text))  # noqa: S308


@register.simple_tag
def differences(left: str, right: str) -> dict[str, comparing.Side]:
    """What the two sides do not share, by side; empty when they are too long to compare."""
    found = comparing.differences(left, right)
    return dict(zip(("left", "right"), found, strict=True)) if found else {}


@register.simple_tag
def changes(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ between two texts, with "+" or "-", amid a line of what stayed."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return [(line[0], line[1:]) for line in lines if line[:2] not in ("--", "++", "@@")]


@register.simple_tag
def word_changes(before: str, after: str) -> list[comparing.Change] | None:
    """How one text was made from another; nothing when they are too long to compare."""
    return comparing.changes(before, after)


@register.filter
def tone(status: str) -> str:
    """The class that colours a state; the word and the sign beside it say the same."""
    return TONES.get(status, "")


@register.filter
def judges(kinds: list[str]) -> str:
    """Who judged, in words: people, simulations ..."""
    return ", ".join(str(Judgment.JudgeKind(kind).label) for kind in kinds)


@register.filter
def aggregation(method: str) -> str:
    """How answers became labels; snapshots of before there was a choice say nothing."""
    return str(SnapshotOrder.Method(method or "shares").label)


@register.filter
def percent(value: Any, digits: int = 1) -> str:
    """A share; a dash where there is none (templates hand over "" for what is missing)."""
    return f"{number_format(value * 100, digits)} %" if isinstance(value, int | float) else "–"


@register.filter
def short(value: Any) -> str:
    """A number as short as it can be read; text and nothing as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None or value == "" else str(value)
    return number_format(value, force_grouping=True) if isinstance(value, int) else figure(value)


@register.filter
def duration(value: timedelta | float | None) -> str:
    """45 s, 12 min, 3 h 20 min."""
    if value is None:
        return "–"
    seconds = round(value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 60:
        return _("%(s)d s") % {"s": seconds}
    if seconds < 3600:
        return _("%(min)d min") % {"min": round(seconds / 60)}
    hours, minutes = divmod(round(seconds / 60), 60)
    return _("%(h)d h %(min)d min") % {"h": hours, "min": minutes}
