"""Reward against the root of KL: the curve, and what can be said of its peak."""

from math import exp, log, sqrt

import pytest

from rlhf.charts.policy_runs import in_words
from rlhf.selectors.frontier import Frontier, fitted

DISTANCES = [0.2 * n for n in range(1, 16)]


def points(curve):
    return [(distance, curve.at(distance)) for distance in DISTANCES]


def test_the_curve_that_made_the_points_is_found_again():
    curve = Frontier(start=-0.3, rise=0.8, fall=0.4)
    found = fitted(points(curve))
    assert (found.start, found.rise, found.fall) == pytest.approx((-0.3, 0.8, 0.4))


def test_at_the_peak_the_curve_is_level_and_highest():
    curve = Frontier(start=0.0, rise=0.8, fall=0.4)
    assert curve.peak == pytest.approx(exp(1.0))
    for other in (0.9 * curve.peak, 1.1 * curve.peak):
        assert curve.at(other) < curve.at(curve.peak)
    assert curve.rise - curve.fall * (log(curve.peak) + 1) == pytest.approx(0.0)


def test_noise_moves_the_peak_little():
    curve = Frontier(start=0.0, rise=0.5, fall=0.4)
    noisy = [(d, y + 0.005 * (-1) ** n) for n, (d, y) in enumerate(points(curve))]
    assert fitted(noisy).peak == pytest.approx(curve.peak, rel=0.1)


def test_what_only_rises_has_no_peak():
    assert fitted([(d, 2 * d) for d in DISTANCES]).peak is None
    assert "no peak is in sight" in in_words(Frontier(0.0, 1.0, -0.1), 2.0)


def test_a_peak_the_run_has_passed_is_told_apart_from_a_guess():
    curve = Frontier(start=0.0, rise=0.8, fall=0.4)
    assert "peaks at a KL of 7.39 nats" in in_words(curve, 3.0)
    assert "guessed at a KL of 7.39 nats" in in_words(curve, 2.0)
    assert "no peak is in sight" in in_words(curve, 0.5)


def test_few_updates_are_not_fitted():
    assert fitted([(sqrt(n), 1.0 * n) for n in range(1, 6)]) is None
    assert fitted([(1.0, 1.0 * n) for n in range(20)]) is None
