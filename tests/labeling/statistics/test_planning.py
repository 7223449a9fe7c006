from math import ceil, inf, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from labeling.statistics.planning import (
    Curve,
    Need,
    Z,
    design_effect,
    half_width,
    judgments_for,
    need_for_width,
    width_after,
)

shares = st.floats(0.02, 0.98)
widths = st.floats(0.005, 0.4)


@given(st.integers(1, 5000), st.data())
def test_the_half_width_is_scipys(trials, data):
    wins = data.draw(st.integers(0, trials))
    interval = binomtest(wins, trials).proportion_ci(0.95, method="wilson")
    assert half_width(wins / trials, trials) == pytest.approx(
        (interval.high - interval.low) / 2, abs=1e-9
    )


@given(shares, widths)
def test_one_judgment_fewer_would_not_do(share, wanted):
    needed = judgments_for(share, wanted)
    assert half_width(share, needed) <= wanted + 1e-9
    assert needed == 0 or half_width(share, needed - 1) > wanted - 1e-9


@given(widths)
def test_at_one_half_the_closed_form_is_short(wanted):
    exact = Z**2 / (4 * wanted**2) - Z**2
    assert judgments_for(0.5, wanted) == pytest.approx(max(0, ceil(exact - 1e-9)), abs=1)


def test_the_figures_people_know():
    # 95 %, plus or minus five points: 385 by Wald, four fewer by Wilson
    assert judgments_for(0.5, 0.05) == 381
    assert judgments_for(0.5, 0.03) == 1064


@given(shares, widths)
def test_no_share_needs_more_than_one_half(share, wanted):
    # but for shares so near 0 or 1 that the interval is not about them any more
    assert judgments_for(share, wanted) <= judgments_for(0.5, wanted)


@given(widths, st.integers(1, 9))
def test_votes_that_say_the_same_need_as_many_pairs_whatever_the_overlap(wanted, overlap):
    assert need_for_width(0.5, wanted, overlap, 1.0).pairs == judgments_for(0.5, wanted)


@given(widths, st.integers(1, 9))
def test_independent_votes_count_in_full(wanted, overlap):
    need = need_for_width(0.5, wanted, overlap, 0.0)
    assert 0 <= need.judgments - judgments_for(0.5, wanted) < overlap


@given(st.integers(1, 9), st.floats(0, 1))
def test_the_design_effect_lies_between_one_and_the_overlap(overlap, alike):
    assert 1 <= design_effect(overlap, alike) <= overlap + 1e-9
    assert design_effect(1, alike) == 1


@given(shares, widths, st.integers(1, 9), st.floats(0, 1))
def test_what_is_needed_is_enough(share, wanted, overlap, alike):
    need = need_for_width(share, wanted, overlap, alike)
    assert width_after(share, need.pairs, overlap, alike) <= wanted + 1e-9


def test_days_are_judgments_by_pace():
    assert Need(100, 3).days(50) == 6
    assert Need(100, 3).days(0) == inf


curves = st.builds(
    Curve, st.integers(50, 5000), st.floats(0.5, 0.75), st.floats(0.005, 0.05), st.just(0.002)
)


@given(curves, st.floats(0.001, 0.1))
def test_pairs_for_an_accuracy_give_that_accuracy(curve, more):
    wanted = curve.accuracy + more
    pairs = curve.pairs_for(wanted)
    assert pairs is not None
    assert curve.after(pairs) >= wanted - 1e-9
    assert curve.after(pairs - 1) < wanted + 1e-6


@given(curves)
def test_twice_the_pairs_gain_one_doubling(curve):
    gain, error = curve.gain(curve.pairs)
    assert gain == pytest.approx(curve.doubling)
    assert error == pytest.approx(curve.doubling_se)
    assert curve.pairs_for(curve.accuracy + curve.doubling) == pytest.approx(2 * curve.pairs, abs=1)


def test_gains_shrink_as_labels_grow():
    small, large = Curve(100, 0.6, 0.02), Curve(10_000, 0.7, 0.02)
    assert small.gain(100)[0] == pytest.approx(0.02)
    assert large.gain(100)[0] == pytest.approx(0.02 * log2(1.01))


def test_what_more_labels_do_not_reach_has_no_number():
    assert Curve(100, 0.6, 0.0).pairs_for(0.7) is None
    assert Curve(100, 0.6, -0.01).pairs_for(0.7) is None
    assert Curve(100, 0.6, 0.001).pairs_for(0.9) is None
    assert Curve(100, 0.6, 0.02).pairs_for(0.55) == 100
    few, many = Curve(100, 0.6, 0.02, 0.02).range_for(0.64)
    assert few is not None
    assert few < 400
    assert many is None
