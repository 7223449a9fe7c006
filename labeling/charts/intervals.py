"""Figures with their intervals beside each other, as data for a table that shows them to scale."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labeling.charts.lines import Scale, figure
from labeling.statistics import Share

WIDTH = 160.0  # of a row's drawing, in units of its own
DOT = 4.0  # from the middle of a dot to its edge


@dataclass(frozen=True)
class Figure:
    """What one row says, before it is drawn; without a value, `why` says why not."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    why: str = ""
    alarm: str = ""  # what is wrong, in a few words; blank: nothing
    url: str = ""  # of a page about what the row is about


@dataclass(frozen=True)
class Interval:
    """One row: what the eye compares, and the numbers behind it."""

    name: str
    value: str
    bounds: str
    count: int
    at: float | None  # position of the figure, and of its bounds, in the drawing; None: no figure
    start: float | None
    end: float | None
    why: str = ""
    alarm: str = ""
    url: str = ""


@dataclass(frozen=True)
class Intervals:
    """Rows on one scale, with a line at the figure they are compared with."""

    key: str  # unique in its page
    title: str
    name: str  # what the rows are
    value_name: str  # what they are compared by
    count_name: str  # what they rest on
    rows: list[Interval]
    reference: float | None  # position of the line
    width = WIDTH
    template = "charts/intervals.html"


def intervals(
    key: str,
    title: str,
    name: str,
    figures: Sequence[Figure],
    *,
    value_name: str,
    count_name: str,
    scale: tuple[float, float] = (0.0, 1.0),
    reference: float | None = None,
    percent: bool = False,
) -> Intervals | None:
    """Rows in the given order on a scale from left to right; None without rows.

    The scale grows to hold all figures, bounds and the reference.
    """
    if not figures:
        return None
    known = [n for f in figures for n in (f.value, f.low, f.high) if n is not None]
    # room for the dot at either end
    drawn = Scale(min([*known, scale[0]]), max([*known, scale[1]]), DOT, WIDTH - DOT)

    def across(number: float | None) -> float | None:
        return None if number is None else drawn.place(number)

    def words(number: float, digits: int) -> str:
        return f"{100 * number:.{digits}f} %" if percent else _rounded(number)

    rows = [
        Interval(
            f.name,
            "–" if f.value is None else words(f.value, 1),
            "–" if f.low is None or f.high is None else f"{words(f.low, 0)} – {words(f.high, 0)}",
            f.count,
            at=across(f.value),
            start=across(f.low),
            end=across(f.high),
            why=f.why,
            alarm=f.alarm,
            url=f.url,
        )
        for f in figures
    ]
    return Intervals(key, title, name, value_name, count_name, rows, across(reference))


def of_shares(shares: Iterable[tuple[str, Share]]) -> list[Figure]:
    return [Figure(name, s.value, s.low, s.high, s.trials) for name, s in shares]


def _rounded(number: float) -> str:
    """Two decimals where that says something, as few as needed where the number is large."""
    return f"{number:.2f}" if math.fabs(number) < 10 else figure(number)
