"""Who did how well against whom, as data for a table whose cells are tinted by their value."""

from collections.abc import Sequence
from dataclasses import dataclass

TINTS = 5  # steps of colour on either side of the middle


@dataclass(frozen=True)
class Cell:
    """`tint` runs from -5 (far below one half) to 5; None where there is nothing to show."""

    text: str
    note: str
    tint: int | None


@dataclass(frozen=True)
class Matrix:
    """Rows against columns, both by the same names; the number says it, the tint only helps."""

    key: str  # unique in its page
    title: str
    names: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    template = "charts/matrix.html"


def matrix(
    key: str,
    title: str,
    names: Sequence[str],
    shares: Sequence[Sequence[float]],
    counts: Sequence[Sequence[float]],
) -> Matrix | None:
    """A matrix of shares from 0 to 1 and of how many trials each; None below two names.

    Cells without trials, those of a name with itself among them, are empty.
    """
    if len(names) < 2:
        return None
    return Matrix(
        key,
        title,
        names,
        [
            (name, [_cell(share, count) for share, count in zip(row, numbers, strict=True)])
            for name, row, numbers in zip(names, shares, counts, strict=True)
        ],
    )


def _cell(share: float, count: float) -> Cell:
    if not count:
        return Cell("", "", None)
    return Cell(f"{100 * share:.0f} %", f"{count:.0f}", round((share - 0.5) * 2 * TINTS))
