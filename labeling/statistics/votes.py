"""Several judges' answers to pairs, as arrays: what aggregation reads."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FIRST, NEITHER, SECOND = 0, 1, 2

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """N answers of J judges to P pairs; at most one of each judge to a pair, sorted by pair.

    Attributes:
        pairs: names of the pairs, (P,).
        judges: names of the judges, (J,).
        pair: which pair an answer is about, (N,), rising.
        judge: who gave it, (N,).
        answer: FIRST, NEITHER or SECOND, (N,).
        side: 1 where the second response stood on the left, -1 where the first did, 0 where that
            is not known, (N,).
    """

    pairs: NDArray[np.int64]
    judges: list[str]
    pair: NDArray[np.int64]
    judge: NDArray[np.int64]
    answer: NDArray[np.int64]
    side: NDArray[np.int64]

    @cached_property
    def counts(self) -> Numbers:
        """How often each answer was given to each pair, (P, 3)."""
        counts = np.zeros((len(self.pairs), 3))
        np.add.at(counts, (self.pair, self.answer), 1)
        return counts

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where the answers to each pair begin, (P,)."""
        return np.flatnonzero(np.diff(self.pair, prepend=-1))

    def of_pairs(self, values: Numbers) -> Numbers:
        """Sums over the answers to each pair: (N, ...) -> (P, ...)."""
        return np.add.reduceat(values, self.starts, axis=0)


def votes(rows: Iterable[tuple[int, str, int, int]]) -> Votes:
    """Votes from (pair, judge, answer, side), in any order."""
    columns = [array("q") for _ in range(4)]  # a million answers in 32 MB
    place: dict[str, int] = {}
    for pair, judge, answer, side in rows:
        number = place.setdefault(judge, len(place))
        for column, value in zip(columns, (pair, number, answer, side), strict=True):
            column.append(value)
    table = np.array(columns, dtype=np.int64).reshape(4, -1)
    table = table[:, np.lexsort((table[1], table[0]))]
    pairs, which = np.unique(table[0], return_inverse=True)
    return Votes(pairs, list(place), which.astype(np.int64), table[1], table[2], table[3])
