import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from labeling.statistics.information import (
    Met,
    bits,
    gain,
    most_informative,
    precision,
    strengths,
)

PLAYERS = 4
pairs = st.tuples(st.integers(0, PLAYERS - 1), st.integers(0, PLAYERS - 1)).filter(
    lambda pair: pair[0] != pair[1]
)


@st.composite
def met(draw):
    one, other = draw(pairs)
    judgments = draw(st.integers(1, 40))
    return Met(one, other, draw(st.integers(0, 2 * judgments)) / 2, judgments)


histories = st.lists(met(), max_size=8)


def negative_log_posterior(at, history):
    total = (at**2).sum() / 2
    for each in history:
        lead = at[each.one] - at[each.other]
        total += each.wins * np.logaddexp(0, -lead)
        total += (each.judgments - each.wins) * np.logaddexp(0, lead)
    return total


@given(histories)
def test_strengths_are_the_most_likely_ones(history):
    found = strengths(history, PLAYERS)
    best = minimize(negative_log_posterior, np.zeros(PLAYERS), args=(history,), tol=1e-12)
    assert np.allclose(found, best.x, atol=1e-3)
    assert found.sum() == pytest.approx(0, abs=1e-8)


@given(st.integers(1, 200), st.data())
def test_two_players_have_a_closed_form(judgments, data):
    wins = data.draw(st.integers(0, judgments))
    # by symmetry they are x and -x, where the slope is zero: x = wins - n / (1 + exp(-2 x))
    x = brentq(lambda x: wins - judgments / (1 + np.exp(-2 * x)) - x, -50, 50)
    assert strengths([Met(0, 1, wins, judgments)], 2)[0] == pytest.approx(x, abs=1e-6)


@given(histories, pairs, st.integers(1, 9))
def test_a_gain_is_the_bits_that_the_judgments_add(history, pair, judgments):
    at = strengths(history, PLAYERS)
    covariance = np.linalg.inv(precision(history, at))
    more = [*history, Met(*pair, judgments / 2, judgments)]
    assert gain(covariance, at, *pair, judgments) == pytest.approx(
        bits(more, at) - bits(history, at), abs=1e-8
    )


@given(histories, pairs)
def test_a_gain_is_positive_and_the_same_whoever_is_named_first(history, pair):
    at = strengths(history, PLAYERS)
    covariance = np.linalg.inv(precision(history, at))
    one, other = pair
    assert gain(covariance, at, one, other, 1) > 0
    assert gain(covariance, at, one, other, 1) == pytest.approx(gain(covariance, at, other, one, 1))
    assert gain(covariance, at, one, one, 1) == 0


@given(histories, st.lists(pairs, min_size=1, max_size=5), st.integers(1, 6))
def test_each_choice_is_the_best_there_is_after_those_before_it(history, choices, count):
    at = strengths(history, PLAYERS)
    known = list(history)
    for chosen in most_informative(choices, history, PLAYERS, count):
        covariance = np.linalg.inv(precision(known, at))
        gains = [gain(covariance, at, *pair, 1) for pair in choices]
        assert gains[chosen] == pytest.approx(max(gains), abs=1e-9)
        known.append(Met(*choices[chosen], 0.5, 1))


def test_who_never_met_meets_before_who_is_known_well():
    known = [Met(0, 1, 50, 100)]
    assert most_informative([(0, 1), (0, 2), (1, 2)], known, 3, 2) == [1, 2]


def test_equals_tell_more_than_a_sure_win():
    known = [Met(0, 1, 20, 20), Met(2, 3, 10, 20)]
    assert most_informative([(0, 1), (2, 3)], known, 4, 1) == [1]


def test_nothing_known_is_no_bit():
    assert bits([], np.zeros(3)) == pytest.approx(0)
