import numpy as np
import pytest

from labeling.statistics.forecast import forecast


def test_a_steady_pace_ends_on_a_certain_day():
    found = forecast([20, 20, 20, 20], 100)
    assert found.days == found.soonest == found.latest == pytest.approx(5)


def test_days_that_differ_make_the_end_uncertain_and_days_of_rest_count():
    found = forecast([0, 30, 10, 40, 20, 25, 15], 100)
    assert found.a_day == pytest.approx(20)
    assert found.soonest < 5 < found.latest


def test_where_the_pace_may_be_nothing_there_is_no_latest_day():
    assert forecast([0, 0, 50], 100).latest is None


@pytest.mark.parametrize("daily", [[], [5], [0, 0, 0]])
def test_without_a_pace_there_is_no_forecast(daily):
    assert forecast(daily, 100) is None


def test_the_true_end_lies_within_the_interval_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        found = forecast(rng.poisson(30, 10).tolist(), 300)
        held += found.soonest <= 10 <= (found.latest or np.inf)
    assert held >= 0.92 * 300
