"""The price of divergence: fixed, or steered to a target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.learning.kl import AdaptiveKL, FixedKL


def test_a_fixed_price_stays():
    assert FixedKL(0.05).after(kl=100.0, episodes=512) == FixedKL(0.05)


def test_the_price_rises_above_the_target_and_falls_below_it():
    price = AdaptiveKL(0.1, target=6.0, horizon=100)
    assert price.after(kl=9.0, episodes=10).coefficient > 0.1
    assert price.after(kl=3.0, episodes=10).coefficient < 0.1
    assert price.after(kl=6.0, episodes=10).coefficient == 0.1


def test_the_price_moves_as_published():
    moved = AdaptiveKL(0.1, target=6.0, horizon=100).after(kl=6.6, episodes=10)
    assert moved.coefficient == pytest.approx(0.1 * (1 + 0.1 * 10 / 100))


@given(st.floats(-1e6, 1e6), st.integers(1, 10_000))
def test_no_update_moves_the_price_by_more_than_a_fifth(kl, episodes):
    moved = AdaptiveKL(0.1, target=6.0, horizon=100).after(kl, episodes).coefficient
    assert 0.08 - 1e-12 <= moved <= 0.12 + 1e-12
