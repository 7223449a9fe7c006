"""Labels from several answers: each method against crowd-kit itself, and against what is true."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import GLAD, MACE, DawidSkene, MajorityVote
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.special import expit

from labeling.statistics import skill as skill_module
from labeling.statistics.aggregation import Method, aggregate
from labeling.statistics.skill import fit_skill, picks_the_better
from labeling.statistics.votes import FIRST, NEITHER, SECOND, votes
from tests.labeling.statistics.simulated import answers

SKILLS = [0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0]
SIDES = [0.0, 1.0, 0.0, -0.8, 0.0, 0.5, 0.0, -0.3]


@pytest.fixture(scope="module")
def crowd():
    return answers(SKILLS, SIDES, pairs=400, each=4, ties=0.5, seed=3)


def crowd_kit(method, found):
    table = pd.DataFrame({"task": found.pair, "worker": found.judge, "label": found.answer})
    return method.fit(table)


@pytest.mark.parametrize(
    ("method", "theirs"),
    [
        (Method.DAWID_SKENE, DawidSkene(n_iter=100)),
        (Method.GLAD, GLAD(n_iter=100)),
        (Method.MACE, MACE(random_state=0)),
    ],
)
def test_chances_are_those_of_crowd_kit(method, theirs):
    found, _ = answers(SKILLS, SIDES, pairs=20, each=3, ties=0.5, seed=4)
    wanted = crowd_kit(theirs, found).probas_.reindex(columns=[0, 1, 2]).to_numpy()
    assert aggregate(found, method) == pytest.approx(wanted, abs=1e-9)


def test_the_majority_is_that_of_crowd_kit_wherever_there_is_one(crowd):
    found, _ = crowd
    theirs = crowd_kit(MajorityVote(), found).labels_.to_numpy()
    ours = aggregate(found, Method.MAJORITY)
    clear = ours.max(axis=1) == 1
    assert clear.sum() > 200
    assert (ours.argmax(axis=1)[clear] == theirs[clear]).all()


def test_where_two_answers_have_most_votes_they_share_the_pair():
    found = votes([(1, "a", FIRST, 0), (1, "b", SECOND, 0), (2, "a", NEITHER, 0)])
    assert aggregate(found, Method.MAJORITY).tolist() == [[0.5, 0, 0.5], [0, 1, 0]]


@pytest.mark.parametrize("method", list(Method))
def test_every_method_gives_chances_of_three_outcomes(method):
    found, _ = answers(SKILLS, SIDES, pairs=12, each=3, ties=0.5, seed=5)
    chances = aggregate(found, method)
    assert chances.shape == (12, 3)
    assert (chances >= 0).all()
    assert chances.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("method", list(Method))
def test_a_single_answer_is_enough_for_every_method(method):
    chances = aggregate(votes([(7, "a", SECOND, 1)]), method)
    assert chances[0].argmax() == SECOND


@given(st.permutations(range(12)))
def test_the_order_of_the_answers_changes_nothing(order):
    rows = [(pair, judge, (pair + len(judge)) % 3, 1) for pair in range(4) for judge in "abc"]
    one, other = votes(rows), votes([rows[at] for at in order])
    assert (one.counts == other.counts).all()
    assert one.pairs.tolist() == other.pairs.tolist()


# Skill and side bias -----------------------------------------------------------------------------


def test_intervals_of_skill_and_side_bias_cover_the_truth():
    covered = {"skill": 0, "side": 0}
    rounds = 6
    for seed in range(rounds):
        found, _ = answers(SKILLS, SIDES, pairs=400, each=4, ties=0.5, seed=seed)
        fit = fit_skill(found)
        for judge, (true_skill, true_side) in enumerate(zip(SKILLS, SIDES, strict=True)):
            one, other = fit.skill[f"j{judge:02}"], fit.left[f"j{judge:02}"]
            covered["skill"] += one.low <= picks_the_better(true_skill) <= one.high
            covered["side"] += other.low <= expit(true_side) <= other.high
    judged = rounds * len(SKILLS)
    # Of 48 intervals that cover the truth with 95 %, fewer than 41 do so once in 100 times.
    assert min(covered.values()) >= 41, (covered, judged)


def test_who_clicks_by_the_side_is_told_from_the_skilled(crowd):
    found, _ = crowd
    fit = fit_skill(found)
    assert fit.left["j01"].low > 0.6  # leans to the left by a log-odds of 1
    assert fit.left["j03"].high < 0.45
    assert fit.left["j02"].low < 0.5 < fit.left["j02"].high
    assert fit.skill["j00"].high < fit.skill["j07"].low


def test_knowing_skill_and_sides_finds_the_better_one_more_often_than_counting_votes():
    right = {Method.SKILL: 0, Method.SHARES: 0}
    for seed in range(4):
        found, better = answers([0.2, 0.3, 0.4, 4.0, 4.0], [1.5, -1.5, 1, 0, 0], pairs=400,
                                each=3, seed=seed)  # fmt: skip
        for method in right:
            chances = aggregate(found, method)
            gap = chances[:, SECOND] - chances[:, FIRST]
            right[method] += int(((gap > 0) == (better > 0)).sum())
    assert right[Method.SKILL] > right[Method.SHARES] + 50


def test_labels_are_calibrated_for_a_labeler_of_median_skill():
    found, better = answers([2.0] * 6, [0.0] * 6, pairs=3000, each=3, ties=0.6, seed=9)
    chances = aggregate(found, Method.SKILL)
    odds = np.exp([-better, np.full_like(better, np.log(0.6)), better])  # of skill 2
    truth = (odds / odds.sum(axis=0)).T
    for part in np.array_split(np.argsort(chances[:, SECOND]), 5):
        assert truth[part, SECOND].mean() == pytest.approx(chances[part, SECOND].mean(), abs=0.04)


def test_without_sides_nothing_is_said_about_leaning():
    found = votes((pair, judge, pair % 2 * 2, 0) for pair in range(20) for judge in "abc")
    assert fit_skill(found).left == {}


def test_the_slope_of_the_likelihood_is_its_slope():
    found, _ = answers(SKILLS, SIDES, pairs=20, each=3, ties=0.5, seed=1)
    x = np.random.default_rng(0).normal(0.5, 0.4, 3 * len(found.judges) + 1)
    slope = skill_module._objective(x, found)[1]
    measured = approx_fprime(x, lambda y: skill_module._objective(y, found)[0], 1e-6)
    assert slope == pytest.approx(measured, abs=1e-5)


def test_many_answers_are_worked_on_in_pieces_with_the_same_result(crowd, monkeypatch):
    found, _ = crowd
    whole = fit_skill(found)
    monkeypatch.setattr(skill_module, "AT_ONCE", 33)
    pieces = fit_skill(found)
    assert pieces.shares == pytest.approx(whole.shares, abs=1e-6)
