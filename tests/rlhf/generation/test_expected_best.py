"""What the best of n answers is worth, by enumeration and in closed form."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from rlhf.generation.expected_best import best_answers, divergence, expected_best, figures

SCORES = st.lists(st.floats(-5, 5), min_size=1, max_size=8)


@given(SCORES, st.data())
def test_the_expected_best_is_the_mean_over_all_subsets(scores, data):
    n = data.draw(st.integers(1, len(scores)))
    subsets = [max(some) for some in itertools.combinations(scores, n)]
    [found] = expected_best(np.array([scores]), n)
    assert found == pytest.approx(np.mean(subsets), abs=1e-9)


@given(SCORES)
def test_of_one_it_is_the_mean_of_all_the_best_and_it_grows_between(scores):
    row = np.array([scores])
    values = [expected_best(row, n)[0] for n in range(1, len(scores) + 1)]
    assert values[0] == pytest.approx(np.mean(scores))
    assert values[-1] == pytest.approx(max(scores))
    assert all(later >= before - 1e-9 for before, later in itertools.pairwise(values))


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_the_divergence_is_that_of_the_largest_of_n_uniform_numbers(n):
    """Whatever the scores, their ranks are uniform: the best has the density n u^(n-1)."""

    def surprise(u):
        density = n * u ** (n - 1)
        return density * math.log(density) if density else 0.0

    assert divergence(n) == pytest.approx(quad(surprise, 0, 1)[0], abs=1e-6)


def test_where_answers_score_alike_the_divergence_is_only_a_bound():
    """Two equally likely answers, drawn twice: the better one comes with 3/4."""
    exact = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert exact < divergence(2)


def test_figures_hold_the_way_from_one_answer_to_all():
    scores = np.array([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0]])
    found = figures(scores)
    assert (found["mean"], found["best"], found["gain"]) == (2.0, 2.5, 0.5)
    assert found["gain_se"] == pytest.approx(np.std([1.0, 0.0], ddof=1) / math.sqrt(2))
    assert [each["n"] for each in found["curve"]] == [1, 2, 3]
    assert (found["curve"][0]["kl"], found["curve"][-1]["score"]) == (0.0, 2.5)


def test_an_answer_that_was_cut_teaches_nothing():
    def answer(score, reason):
        return {"text": str(score), "score": score, "finish_reason": reason}

    rows = [
        {"id": 1, "answers": [answer(0.1, "stop"), answer(0.9, "stop")]},
        {"id": 2, "answers": [answer(0.1, "stop"), answer(0.9, "length")]},
    ]
    assert [(number, each["text"]) for number, each in best_answers(rows)] == [(1, "0.9")]
