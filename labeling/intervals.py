"""Shares with their intervals beside each other, as data for a table that shows them to scale."""

from collections.abc import Iterable
from dataclasses import dataclass

from labeling.statistics import Share

WIDTH = 160.0  # of a row's drawing, in units of its own


@dataclass(frozen=True)
class Interval:
    """One row: what the eye compares, and the numbers behind it."""

    name: str
    share: Share
    at: float  # position of the share, and of its bounds, in the drawing
    start: float
    end: float


@dataclass(frozen=True)
class Intervals:
    """Rows on one scale, with a line at the share they are compared with."""

    key: str  # unique in its page
    title: str
    name: str  # what the rows are
    rows: list[Interval]
    reference: float  # position of the line
    width = WIDTH


def intervals(
    key: str, title: str, name: str, shares: Iterable[tuple[str, Share]], reference: float = 0.5
) -> Intervals | None:
    """Rows in the given order, from 0 at the left to 1 at the right; None without rows."""
    rows = [
        Interval(
            words,
            share,
            at=_across(share.value),
            start=_across(share.low),
            end=_across(share.high),
        )
        for words, share in shares
    ]
    return Intervals(key, title, name, rows, _across(reference)) if rows else None


def _across(share: float) -> float:
    return round(4 + share * (WIDTH - 8), 1)  # room for the dot at either end
