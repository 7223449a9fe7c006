"""When the work will be done, from how much of it was done each day."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from scipy.stats import t


@dataclass(frozen=True)
class Forecast:
    """Days until the rest is done, with a 95 % interval of the pace behind it."""

    a_day: float
    days: float
    soonest: float
    latest: float | None  # None: at the slowest pace that fits, it never ends


def forecast(daily: Sequence[float], left: float) -> Forecast | None:
    """The rest at the mean pace of these days, days without work included.

    The interval is Student's of the mean pace, so it widens where days differ, and where there
    were few. None without any pace, or from a single day.
    """
    if len(daily) < 2 or sum(daily) <= 0:
        return None
    pace = mean(daily)
    error = float(t.ppf(0.975, len(daily) - 1)) * stdev(daily) / sqrt(len(daily))
    slow, fast = pace - error, pace + error
    return Forecast(pace, left / pace, left / fast, left / slow if slow > 0 else None)
