"""Agreement against other people's implementations, textbook values and planted truth."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.metrics.agreement import AnnotationTask
from nltk.metrics.distance import interval_distance
from statsmodels.stats import inter_rater

from labeling.statistics.agreement import (
    Level,
    Reason,
    alpha,
    cohen,
    fleiss,
    percent,
    ratings,
    tallied,
)

# Four observers, twelve units, some missing: Krippendorff 2011, "Computing Krippendorff's
# alpha-reliability", the example of section C and D.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
# Fourteen raters, ten subjects, five categories: the worked example of Fleiss 1971 that
# Wikipedia's article on the kappa reprints.
FLEISS = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip

answers = st.lists(st.integers(-2, 2), min_size=1, max_size=4)
tables = st.lists(answers, min_size=1, max_size=30)


def units(observers):
    return [[a for a in unit if a is not None] for unit in zip(*observers, strict=True)]


def test_alpha_gives_the_textbook_values_at_every_level():
    table = tallied(units(KRIPPENDORFF), [1, 2, 3, 4, 5])
    assert alpha(table, Level.NOMINAL).value == pytest.approx(0.743, abs=5e-4)
    assert alpha(table, Level.ORDINAL).value == pytest.approx(0.815, abs=5e-4)
    assert alpha(table, Level.INTERVAL).value == pytest.approx(0.849, abs=5e-4)


def test_fleiss_gives_the_textbook_value():
    assert fleiss(ratings((row, 1) for row in FLEISS)).value == pytest.approx(0.210, abs=5e-4)


def test_cohen_gives_the_textbook_value():
    # Two readers of fifty grant proposals, each saying yes or no: 20 both yes, 15 both no.
    assert cohen([[20, 5], [10, 15]]).value == pytest.approx(0.4)


@settings(deadline=None, max_examples=60)
@given(tables)
def test_alpha_is_what_nltk_computes(items):
    rows = [
        (f"coder {c}", f"item {i}", value)
        for i, item in enumerate(items)
        for c, value in enumerate(item)
        if len(item) > 1
    ]
    ours = tallied(items, [-2, -1, 0, 1, 2])
    nominal, interval = alpha(ours, Level.NOMINAL), alpha(ours, Level.INTERVAL)
    if len({value for *_, value in rows}) < 2:
        assert nominal.value is None
        assert nominal.reason == (Reason.ONE_VALUE if rows else Reason.NOBODY_TWICE)
        return
    assert nominal.value == pytest.approx(AnnotationTask(data=rows).alpha())
    theirs = AnnotationTask(data=rows, distance=interval_distance).alpha()
    assert interval.value == pytest.approx(theirs)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=30))
def test_fleiss_is_what_statsmodels_computes(items):
    table, _ = inter_rater.aggregate_raters(np.array(items), n_cat=3)
    ours = fleiss(tallied(items, [0, 1, 2]))
    if len({value for item in items for value in item}) == 1:
        assert ours.reason == Reason.ONE_VALUE
    else:
        assert ours.value == pytest.approx(inter_rater.fleiss_kappa(table))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3))
def test_cohen_and_its_interval_are_what_statsmodels_computes(cells):
    cells[0][1] += 1  # somebody disagreed
    ours, theirs = cohen(cells), inter_rater.cohens_kappa(np.array(cells), wt=None)
    if ours.value is None:
        return
    assert ours.value == pytest.approx(theirs.kappa)
    if ours.low is not None and ours.high is not None and math.isfinite(theirs.kappa_low):
        assert ours.low == pytest.approx(max(-1, theirs.kappa_low), abs=1e-4)
        assert ours.high == pytest.approx(min(1, theirs.kappa_upp), abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(tables)
def test_no_figure_is_ever_without_a_value_and_a_reason(items):
    table = tallied(items, [-2, -1, 0, 1, 2])
    for found in (percent(table), fleiss(table), *(alpha(table, level) for level in Level)):
        assert (found.value is None) == (found.reason is not None)
        for number in (found.value, found.low, found.high):
            assert number is None or math.isfinite(number)
        if found.value is not None and found.low is not None and found.high is not None:
            assert found.low <= found.value <= found.high


def test_what_nobody_answered_twice_has_a_reason_instead_of_a_figure():
    alone = tallied([[1], [2], []], [1, 2])
    assert percent(alone).reason == fleiss(alone).reason == Reason.NOBODY_TWICE
    assert cohen([[0, 0], [0, 0]]).reason == Reason.NOBODY_TWICE


def test_agreement_on_one_value_is_full_in_percent_and_undefined_beyond_chance():
    same = tallied([[1, 1]] * 20, [1, 2])
    assert percent(same).value == 1
    assert alpha(same, Level.NOMINAL).reason == Reason.ONE_VALUE
    assert cohen([[9, 0], [0, 0]]).reason == Reason.ONE_VALUE


def test_where_nobody_disagreed_the_interval_still_says_how_little_was_seen():
    few, many = (tallied([[1, 1], [2, 2]] * n, [1, 2]) for n in (4, 400))
    for found in (percent, fleiss, lambda table: alpha(table, Level.ORDINAL)):
        assert found(few).high == found(many).high == 1
        assert found(few).low < found(many).low < 1
    assert cohen([[4, 0], [0, 4]]).low < 0.7


def test_a_few_items_make_a_figure_without_an_interval():
    found = percent(tallied([[1, 1], [1, 2]], [1, 2]))
    assert found.value == 0.5
    assert found.low is found.high is None


def noisy(rng, items, people=3, skill=0.8):
    """Answers of people who see the truth with this chance and else toss a coin."""
    truth = rng.integers(0, 2, items)
    seen = rng.random((people, items)) < skill
    return np.where(seen, truth, rng.integers(0, 2, (people, items))).T.tolist()


@pytest.mark.parametrize("statistic", [percent, fleiss, lambda t: alpha(t, Level.NOMINAL)])
def test_intervals_cover_the_truth_as_often_as_they_say(statistic):
    truth = 0.5 + 0.5 * 0.8**2 if statistic is percent else 0.8**2  # known in closed form
    covered = 0
    for seed in range(120):
        found = statistic(tallied(noisy(np.random.default_rng(seed), 150), [0, 1]))
        covered += found.low <= truth <= found.high
    assert covered >= 0.89 * 120  # 95 %, less three standard errors


def test_items_alike_may_be_counted_together():
    items = noisy(np.random.default_rng(3), 400)
    one_by_one = ratings([((item.count(0), item.count(1)), 1) for item in items], [0, 1])
    together = tallied(items, [0, 1])
    assert len(together.times) == 4
    assert alpha(together, Level.ORDINAL).value == pytest.approx(
        alpha(one_by_one, Level.ORDINAL).value
    )


def test_crowd_kit_agrees():
    from crowdkit.metrics.data import alpha_krippendorff

    items = noisy(np.random.default_rng(5), 200)
    answered = pd.DataFrame(
        [(i, w, v) for i, item in enumerate(items) for w, v in enumerate(item)],
        columns=["task", "worker", "label"],
    )
    ours = alpha(tallied(items, [0, 1]), Level.NOMINAL).value
    assert ours == pytest.approx(alpha_krippendorff(answered))
