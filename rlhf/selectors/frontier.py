"""What distance from the reference buys: reward against the root of KL, and where it peaks."""

from dataclasses import dataclass
from math import exp, log, sqrt

from rlhf.models import PolicyRun

FEWEST = 6  # updates that a curve with three coefficients is fitted to


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


def distances_and_scores(run: PolicyRun) -> list[tuple[float, float]]:
    """(root of KL, score) of each update that has both, nearest first."""
    rows = run.metrics.values_list("values__kl", "values__score")
    return sorted((sqrt(kl), score) for kl, score in rows if kl and score is not None and kl > 0)
