"""Shares with their intervals."""

import pytest
from scipy.stats import binomtest

from labeling.statistics import share


@pytest.mark.parametrize(
    ("right", "trials"), [(0, 1), (1, 1), (0, 40), (40, 40), (7, 9), (512, 1000)]
)
def test_the_interval_is_the_one_that_scipy_finds(right, trials):
    wanted = binomtest(right, trials).proportion_ci(0.95, method="wilson")
    found = share(right, trials)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_without_a_trial_there_is_no_share():
    assert share(0, 0) is None
