"""A section of a dashboard: one question, the sentence that answers it, a chart, its table."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from labeling.charts.intervals import Intervals
from labeling.charts.lines import Chart
from labeling.charts.matrices import Matrix

MOST_SHOWN = 30  # rows of a page's table; the CSV file has all of them


@dataclass(frozen=True)
class Section:
    """`columns` and `rows` are the whole table behind the charts, in numbers as they are."""

    key: str  # unique in its page, and the name of its CSV file
    title: str
    lead: str  # what one sees, in a sentence or two
    charts: Sequence[Chart | Intervals | Matrix | None]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    alarms: Sequence[str] = field(default=())  # sentences that ask for action
    listed: bool = False  # the page shows the table itself, as no chart does

    @property
    def shown(self) -> list[Chart | Intervals | Matrix]:
        return [chart for chart in self.charts if chart is not None]

    @property
    def listing(self) -> Sequence[Sequence[Any]]:
        return self.rows[:MOST_SHOWN] if self.listed else ()

    @property
    def hidden(self) -> int:
        """How many rows the page leaves to the file; a line chart draws them all."""
        drawn = any(isinstance(chart, Chart) for chart in self.shown)
        return 0 if drawn else max(0, len(self.rows) - MOST_SHOWN)


class _Echo:
    def write(self, line: str) -> str:
        return line


def csv_lines(section: Section) -> Iterator[str]:
    """The table as CSV, line by line. Text that a spreadsheet would compute stays text."""
    writer = csv.writer(_Echo())
    yield writer.writerow(section.columns)
    for row in section.rows:
        yield writer.writerow([_inert(cell) for cell in row])


def _inert(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
