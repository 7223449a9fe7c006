"""How the benchmark compares two modes at equal divergence."""

import math

import pytest

from bench.frontier import PLACES, compared, curves_of, half_interval, score_at, vowels

RISING = [(0.0, 0.0), (1.0, 1.0), (4.0, 2.0)]


def shifted(by):
    return [(kl, score + by) for kl, score in RISING]


def test_a_curve_is_read_between_its_points_in_whatever_order_they_came():
    assert score_at(RISING, 2.5) == 1.5
    assert score_at(RISING[::-1], 2.5) == 1.5


def test_a_mode_is_inside_above_or_below_the_other_ones_seeds():
    band = [shifted(-0.1), shifted(0.0), shifted(0.1)]
    for by, where in ((0.05, "inside"), (0.2, "above"), (-0.2, "below")):
        rows = compared([shifted(by)], band)
        assert [row["where"] for row in rows] == [where] * PLACES


def test_modes_are_compared_only_where_all_curves_have_been():
    rows = compared([RISING], [RISING, RISING[:2]])
    assert rows[-1]["kl"] == 1.0
    assert [math.sqrt(row["kl"]) for row in rows] == pytest.approx(
        [(place + 1) / PLACES for place in range(PLACES)]
    )


def test_the_interval_of_five_seeds_is_students():
    assert half_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1.963, abs=1e-3)
    assert math.isnan(half_interval([1.0]))


def test_nothing_is_compared_before_both_modes_have_run():
    assert not all(curves_of({}, "toy").values())


def test_the_toy_counts_words_that_begin_with_a_vowel():
    assert vowels([], ["An apple or two", "", "Big cats"]) == [7.5, 0.0, 0.0]
