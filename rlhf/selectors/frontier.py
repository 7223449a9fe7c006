"""What distance from the reference buys: reward against the root of KL, and where it peaks."""

from dataclasses import dataclass
from math import exp, log, sqrt

from django.utils.translation import gettext as _

from labeling.charts.lines import Chart, Series, figure, line_chart
from rlhf.models import PolicyRun

FEWEST = 6  # updates that a curve with three coefficients is fitted to
FURTHEST = 3.0  # times the distance seen so far at which a peak is still worth naming


@dataclass(frozen=True)
class Frontier:
    """score = start + d (rise - fall ln d), where d is the root of KL in nats.

    Source: Gao, Schulman and Hilton 2022 (arXiv:2210.10760), equation for RL. Theirs is about a
    reward that a proxy stands for; here it describes the reward that is optimised.
    """

    start: float
    rise: float
    fall: float

    def at(self, distance: float) -> float:
        """The fitted score at a root of KL above 0."""
        return self.start + distance * (self.rise - self.fall * log(distance))

    @property
    def peak(self) -> float | None:
        """The root of KL with the highest fitted score; None where the curve only rises."""
        if self.fall <= 0 or self.rise / self.fall > 20:
            return None
        return exp(self.rise / self.fall - 1)


def fitted(points: list[tuple[float, float]]) -> Frontier | None:
    """The curve through (root of KL, score) by least squares; None for too few points."""
    import numpy as np  # the pages that fit nothing start without it

    if len({distance for distance, _score in points}) < FEWEST:
        return None
    distances, scores = (np.array(column) for column in zip(*points, strict=True))
    columns = np.stack([np.ones_like(distances), distances, -distances * np.log(distances)], 1)
    start, rise, fall = np.linalg.lstsq(columns, scores, rcond=None)[0]
    return Frontier(float(start), float(rise), float(fall))


def frontier(run: PolicyRun) -> tuple[Chart, str] | None:
    """The chart of a run and what it says in a sentence; None before there is anything to see."""
    rows = run.metrics.values_list("values__kl", "values__score")
    points = sorted((sqrt(kl), score) for kl, score in rows if kl and score is not None and kl > 0)
    curve = fitted(points)
    if curve is None:
        return None
    chart = line_chart(
        key="frontier",
        title=_("Reward against the root of KL"),
        unit=_("score an answer"),
        series=[
            Series(_("measured"), points, dots=True),
            Series(_("fitted"), [(distance, curve.at(distance)) for distance, _score in points]),
        ],
        x_name=_("Root of KL"),
        whole_x=False,
    )
    assert chart is not None
    return chart, in_words(curve, points[-1][0])


def in_words(curve: Frontier, furthest: float) -> str:
    """Where the fitted reward is highest, as far as the run's distances can tell."""
    peak = curve.peak
    if peak is None or peak > FURTHEST * furthest:
        return _("The fitted reward still rises with distance; no peak is in sight.")
    values = {"kl": figure(peak**2), "reward": figure(curve.at(peak))}
    if peak > furthest:
        return (
            _("Beyond the run: a peak is guessed at a KL of %(kl)s nats with %(reward)s.") % values
        )
    return _("The fitted reward peaks at a KL of %(kl)s nats with %(reward)s.") % values
