import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardmodel.learning.labels import FEWEST_REPEATED, flip_rate, relabelled
from rewardmodel.learning.pairs import Pair


def voted(chosen: int, neither: int, rejected: int, number: int = 1) -> Pair:
    total = chosen + neither + rejected
    return Pair(
        number,
        "train",
        [{"role": "user", "content": "?"}],
        "a",
        "b",
        preference=(chosen + neither / 2) / total,
        tie=neither / total,
        votes=(chosen, neither, rejected),
    )


def simulated(flips: float, pairs: int, votes: int = 3) -> list[Pair]:
    """Pairs whose better response each of so many people names, but for some flips."""
    wrong = np.random.default_rng(0).binomial(votes, flips, pairs)
    return [voted(max(votes - n, n), 0, min(votes - n, n), k) for k, n in enumerate(wrong.tolist())]


@pytest.mark.parametrize("flips", [0.05, 0.15, 0.25, 0.35])
def test_the_flip_rate_is_found_from_disagreement_alone(flips):
    assert flip_rate(simulated(flips, 20_000)) == pytest.approx(flips, abs=0.015)


def test_people_who_always_agree_are_not_taken_for_infallible_nor_coins_for_judges():
    assert flip_rate([voted(2, 0, 0)] * 30) == 0.01
    assert flip_rate([voted(1, 0, 1)] * 30) == 0.45


def test_without_pairs_judged_twice_there_is_no_flip_rate():
    few = [voted(2, 0, 0)] * (FEWEST_REPEATED - 1) + [voted(1, 5, 0)] * 99
    with pytest.raises(ValueError, match=f"there are {FEWEST_REPEATED - 1}; raise"):
        flip_rate(few)


def test_one_answer_is_believed_but_for_the_flip_rate_and_more_answers_are_surer():
    pairs = [*simulated(0.25, 4000), voted(1, 0, 0), voted(2, 0, 0), voted(3, 0, 1), voted(2, 0, 2)]
    flips = flip_rate(pairs)
    one, two, three_to_one, split = (
        pair.preference for pair in relabelled(pairs, "posterior")[-4:]
    )
    assert one == pytest.approx(1 - flips)
    assert two == three_to_one == pytest.approx((1 - flips) ** 2 / ((1 - flips) ** 2 + flips**2))
    assert split == 0.5


def test_a_posterior_is_as_often_right_as_it_says():
    """By simulation: of pairs with this posterior for the response most people chose."""
    chance = np.random.default_rng(1)
    votes = chance.binomial(3, 0.75, 40_000)  # for the truly better one
    pairs = [voted(max(n, 3 - n), 0, min(n, 3 - n), k) for k, n in enumerate(votes.tolist())]
    said = np.array([pair.preference for pair in relabelled(pairs, "posterior")])
    right = votes >= 2
    for level in np.unique(said):
        assert right[said == level].mean() == pytest.approx(level, abs=0.015)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_labels_keep_probabilities_and_which_response_is_the_chosen_one(one, neither, other):
    if one + neither + other == 0:
        return
    pair = voted(max(one, other), neither, min(one, other))
    for labels in ("shares", "majority", "posterior"):
        found = relabelled([pair, *simulated(0.2, 50)], labels)[0]
        assert sum(found.outcomes) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in found.outcomes)
        assert 0.5 <= found.preference <= 1


def test_the_majority_is_taken_as_sure_and_may_be_a_tie():
    pairs = [voted(2, 0, 1), voted(1, 2, 0), voted(1, 0, 1), voted(2, 2, 0)]
    assert [pair.outcomes for pair in relabelled(pairs, "majority")] == [
        (1, 0, 0),
        (0, 1, 0),
        (0.5, 0, 0.5),
        (1, 0, 0),
    ]


def test_pairs_without_known_votes_stay_as_they_are():
    imported = Pair(1, "train", [], "a", "b", preference=0.9)
    for labels in ("shares", "majority", "posterior"):
        assert relabelled([imported, *simulated(0.2, 50)], labels)[0] == imported
