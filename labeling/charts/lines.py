"""Line charts as data: positions and labels, from which a template draws an accessible SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.formats import number_format
from django.utils.translation import gettext as _

# The drawing's own units; the page scales it to the width there is.
WIDTH, HEIGHT = 360.0, 168.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 8.0, 24.0

MOST_POINTS = 240  # more can't be told apart at this width
MOST_ROWS = 40  # of the table behind a chart
LARGEST = 1e100  # what is beyond has diverged, like infinity, and is left out
FINEST = 1e-9  # a range this small beside its numbers is drawn as a level line


@dataclass(frozen=True)
class Scale:
    """From the numbers between two to places between two of a drawing."""

    low: float
    high: float
    start: float  # the place of the lowest number
    end: float

    def place(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Series:
    """A line: its name and its (x, y) points, x rising."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False  # the points alone, not joined


@dataclass(frozen=True)
class Tick:
    at: float  # position in the drawing
    label: str


@dataclass(frozen=True)
class Line:
    name: str
    number: int  # 1 to 6: chooses colour and dashes
    path: str
    end: tuple[float, float]
    latest: str
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """What the template draws; `description` says in words what the eye sees."""

    key: str  # unique in its page
    title: str
    unit: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    description: str
    columns: list[str]
    rows: list[list[str]]
    x_name: str = ""  # what x counts; blank: steps

    template = "charts/line.html"
    width = WIDTH
    height = HEIGHT
    left = LEFT
    right = WIDTH - RIGHT
    top = TOP
    bottom = HEIGHT - BOTTOM
    label_x = LEFT - 6
    label_y = HEIGHT - BOTTOM + 15


def line_chart(
    key: str,
    title: str,
    series: Sequence[Series],
    unit: str = "",
    x_name: str = "",
    *,
    from_zero: bool = False,
    whole_x: bool = True,
) -> Chart | None:
    """A chart of the series' finite points, or None when there is nothing to draw yet.

    Whole x: only whole numbers are marked below, as steps are counted.
    From zero: the scale begins there, as it has to for amounts, whose heights are compared.
    """
    shown = [
        replace(one, points=[(x, y) for x, y in one.points if drawable(x) and drawable(y)])
        for one in series
    ]
    shown = [one for one in shown if one.points]
    if not shown:
        return None
    xs = [x for one in shown for x, _ in one.points]
    ys = [y for one in shown for _, y in one.points]
    across = Scale(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, LEFT, WIDTH - RIGHT)
    marks = nice_ticks(min([0.0, *ys] if from_zero else ys), max(ys))
    up = Scale(min(min(ys), marks[0]), max(max(ys), marks[-1]), HEIGHT - BOTTOM, TOP)
    return Chart(
        key=key,
        title=title,
        unit=unit,
        lines=[_line(number, one, across, up) for number, one in enumerate(shown, start=1)],
        x_ticks=[
            Tick(across.place(x), figure(x))
            for x in nice_ticks(across.low, across.high, whole=whole_x)
            if across.low <= x <= across.high
        ],
        y_ticks=[Tick(up.place(y), figure(y)) for y in marks],
        description=_in_words(shown),
        columns=[one.name for one in shown],
        rows=_table(shown),
        x_name=x_name,
    )


def _line(number: int, series: Series, across: Scale, up: Scale) -> Line:
    points = [(across.place(x), up.place(y)) for x, y in thinned(series.points, MOST_POINTS)]
    # a line without length: round ends make a dot of it
    path = (
        "".join(f"M{x} {y}h0" for x, y in points)
        if series.dots
        else "M" + "L".join(f"{x} {y}" for x, y in points)
    )
    latest = figure(series.points[-1][1])
    return Line(series.name, number, path, points[-1], latest, series.dots)


def drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST


def nice_ticks(low: float, high: float, count: int = 4, *, whole: bool = False) -> list[float]:
    """About `count` round numbers that span the range: steps of 1, 2 or 5 times a power of ten."""
    size = max(abs(low), abs(high))
    if high - low <= size * FINEST or size < 1 / LARGEST:
        margin = size * 0.1 if size >= 1 / LARGEST else 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    start, end = math.floor(low / step), math.ceil(high / step)
    return [float(f"{number * step:.12g}") for number in range(start, end + 1)]


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` of the points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    stride = (len(points) - 1) / (most - 1)
    return [points[round(number * stride)] for number in range(most)]


def figure(value: float) -> str:
    """A number as short as the reader's language has it: 0.713, 12.4, 1,530, 3.2e-05."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 0.001:
        return f"{value:.1e}"
    if size >= 1000:
        return number_format(round(value), force_grouping=True)
    return number_format(f"{value:.3g}")


def _in_words(series: Sequence[Series]) -> str:
    sentences = []
    for one in series:
        values = [y for _, y in one.points]
        sentences.append(
            _("%(name)s: from %(first)s to %(last)s, lowest %(lowest)s, highest %(highest)s.")
            % {
                "name": one.name,
                "first": figure(values[0]),
                "last": figure(values[-1]),
                "lowest": figure(min(values)),
                "highest": figure(max(values)),
            }
        )
    return " ".join(sentences)


def _table(series: Sequence[Series]) -> list[list[str]]:
    """Rows of x and each line's value there; blank where a line has no point."""
    lookup = [dict(one.points) for one in series]
    steps = sorted({x for one in lookup for x in one})
    kept = [x for x, _ in thinned([(x, 0.0) for x in steps], MOST_ROWS)]
    return [[figure(x), *(figure(one[x]) if x in one else "" for one in lookup)] for x in kept]
