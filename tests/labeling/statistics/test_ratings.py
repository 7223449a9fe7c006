"""Ratings of policies: against crowd-kit, against statsmodels, and against what is true."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import BradleyTerry
from scipy.optimize import minimize

from labeling.statistics.ratings import davidson, games, rate, tables

TRUE = {"a": 0.8, "b": 0.2, "c": -0.3, "d": -0.7}


def played(count, ties=0.0, seed=0, clusters=None):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        one, other = rng.choice(list(TRUE), 2, replace=False)
        gap = TRUE[one] - TRUE[other]
        odds = np.array([np.exp(gap / 2), ties, np.exp(-gap / 2)])
        outcome = int(rng.choice([-1, 0, 1], p=odds / odds.sum()))
        rows.append((str(one), str(other), outcome, number % (clusters or count)))
    return rows


def test_without_ties_ratings_are_those_of_crowd_kit():
    rows = played(300)
    table = pd.DataFrame(
        [(one, other, one if outcome < 0 else other) for one, other, outcome, _ in rows],
        columns=["left", "right", "label"],
    )
    # With any tolerance it compares its scores with themselves and stops after two rounds.
    theirs = np.log(BradleyTerry(n_iter=500, tol=0).fit(table).scores_)
    found = rate(games(rows))
    for name, value in (theirs - theirs.mean()).items():
        assert found.of[name].value == pytest.approx(value, abs=1e-3)


def test_a_tie_is_half_a_win_for_both():
    one = rate(games([("a", "b", -1, 0), ("a", "b", 0, 1), ("b", "a", -1, 2)]))
    assert one.of["a"].value == pytest.approx(0)
    wins, met = tables(games([("a", "b", -1, 0), ("a", "b", 0, 1)]))
    assert (wins[0, 1], wins[1, 0], met[0, 1]) == (1.5, 0.5, 2)


def test_who_is_named_first_changes_nothing():
    rows = played(200, ties=0.4)
    turned = [(other, one, -outcome, cluster) for one, other, outcome, cluster in rows]
    for name, rating in rate(games(rows)).of.items():
        assert rate(games(turned)).of[name].value == pytest.approx(rating.value)


def test_ties_are_modelled_as_davidson_has_them():
    """The same likelihood, maximised by another program."""
    found = games(played(400, ties=0.7))

    def loss(x):
        gap = x[found.one] - x[found.other]
        parts = np.stack([gap / 2, np.full_like(gap, x[-1]), -gap / 2])
        said = np.where(found.tie == 1, 1, np.where(found.outcome == 1, 0, 2))
        likelihood = parts[said, np.arange(len(gap))] - np.logaddexp.reduce(parts, axis=0)
        return -likelihood.sum() + (x**2).sum() / 200

    wanted = minimize(loss, np.zeros(5), options={"gtol": 1e-7}).x
    values, ties = davidson(found)
    assert values == pytest.approx(wanted[:4] - wanted[:4].mean(), abs=1e-4)
    assert ties == pytest.approx(np.exp(wanted[4]), abs=1e-4)


def test_ties_and_ratings_that_were_drawn_are_found_again():
    values, ties = davidson(games(played(20_000, ties=0.7)))
    assert values == pytest.approx(list(TRUE.values()), abs=0.06)
    assert ties == pytest.approx(0.7, abs=0.04)


def test_intervals_cover_the_true_ratings():
    covered = 0
    for seed in range(12):
        found = rate(games(played(250, seed=seed)), seed=seed)
        covered += sum(
            found.of[name].low <= true <= found.of[name].high for name, true in TRUE.items()
        )
    # Of 48 intervals that cover the truth with 95 %, fewer than 41 do so once in 100 times.
    assert covered >= 41


def test_games_about_one_prompt_are_not_taken_for_independent():
    rows = played(40)
    copied = [row for row in rows for _ in range(10)]
    one, other = rate(games(rows)).of["a"], rate(games(copied)).of["a"]
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.2)


def test_who_never_lost_has_a_finite_rating_and_is_not_comparable():
    found = rate(
        games([("a", "b", -1, n) for n in range(5)] + [("b", "c", -1, n) for n in range(5, 9)])
    )
    assert not found.comparable
    assert np.isfinite([rating.value for rating in found.of.values()]).all()
    assert list(found.of) == ["a", "b", "c"]
    assert rate(games(played(300))).comparable


def test_ratings_are_centred_and_the_best_comes_first():
    values = [rating.value for rating in rate(games(played(300))).of.values()]
    assert sum(values) == pytest.approx(0)
    assert values == sorted(values, reverse=True)
