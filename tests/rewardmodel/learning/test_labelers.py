"""Who is skilled, who leans to a side, and what their answers then say together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from rewardmodel.learning.labelers import (
    FEWEST_REPEATED,
    estimated,
    labeler_figures,
    ranked_strengths,
)
from rewardmodel.learning.labels import relabelled
from rewardmodel.learning.pairs import Ballot, Pair, turned


def balloted(number: int, ballots: list[tuple[str, int, int]], **more) -> Pair:
    """A pair whose chosen response is the one most people named."""
    answers = [answer for _, answer, _ in ballots]
    for_chosen, neither, other = (sum(np.sign(answers) == sign) for sign in (1, 0, -1))
    pair = Pair(
        number,
        "train",
        [{"role": "user", "content": "?"}],
        "good",
        "bad",
        preference=(for_chosen + neither / 2) / len(ballots),
        tie=neither / len(ballots),
        votes=(int(for_chosen), int(neither), int(other)),
        ballots=tuple(Ballot(*ballot) for ballot in ballots),
        **more,
    )
    return pair if for_chosen >= other else turned(pair)


def simulated(
    skill: list[float], lean: list[float], pairs: int, overlap: int = 3, seed: int = 0
) -> list[Pair]:
    """Pairs whose better response is called "good", by labelers with these log-odds."""
    chance = np.random.default_rng(seed)
    made = []
    for number in range(pairs):
        ballots = []
        for labeler in chance.permutation(len(skill))[:overlap]:
            side = int(chance.choice([-1, 1]))
            right = chance.random() < expit(skill[labeler] + lean[labeler] * side)
            ballots.append((f"labeler {labeler}", 1 if right else -1, side))
        made.append(balloted(number, ballots))
    return made


SKILLS = [0.2, 0.5, 1.0, 1.5, 2.0, 3.0]
LEANS = [0.0, 1.0, -1.0, 0.0, 0.5, 0.0]


def test_skill_and_lean_are_found_although_nobody_knows_the_truth():
    found = estimated(simulated(SKILLS, LEANS, 6000))
    assert found.names == [f"labeler {n}" for n in range(6)]
    assert expit(found.skill) == pytest.approx(expit(SKILLS), abs=0.03)
    assert found.lean == pytest.approx(LEANS, abs=0.3)
    assert found.answers.sum() == 18_000


def test_what_they_say_together_is_right_as_often_as_it_claims():
    pairs = simulated(SKILLS, LEANS, 8000)
    told = relabelled(pairs, "labelers")
    claimed = np.array([pair.preference for pair in told])
    right = np.array([pair.chosen == "good" for pair in told])
    for low, high in ((0.5, 0.7), (0.7, 0.85), (0.85, 0.95), (0.95, 1.0)):
        inside = (claimed >= low) & (claimed <= high)
        assert right[inside].mean() == pytest.approx(claimed[inside].mean(), abs=0.03)


def test_it_is_right_more_often_than_the_majority():
    pairs = simulated([0.1, 0.1, 0.1, 0.1, 2.5, 2.5], [0.0] * 6, 4000)
    told = relabelled(pairs, "labelers")
    majority, weighed = (
        np.mean([pair.chosen == "good" for pair in each]) for each in (pairs, told)
    )
    assert weighed > majority + 0.05


def test_without_a_lean_the_answers_add_up_by_skill():
    """The closed form: log-odds of the truth are the skills of those for it minus the others'."""
    pairs = [
        replace(p, ballots=tuple(b._replace(side=0) for b in p.ballots))
        for p in simulated(SKILLS, [0.0] * 6, 500)
    ]
    found = estimated(pairs)
    skill = dict(zip(found.names, found.skill, strict=True))
    assert np.all(found.lean == 0)
    for pair, told in zip(pairs[:50], found.log_odds, strict=False):
        assert told == pytest.approx(sum(skill[b.by] * b.answer for b in pair.ballots))


def test_an_answer_towards_the_side_somebody_leans_to_says_less():
    pairs = simulated(SKILLS, LEANS, 4000)
    leaning = [
        balloted(9001, [("labeler 1", 1, 1)]),  # leans to the left, where the chosen one stood
        balloted(9002, [("labeler 1", 1, -1)]),
    ]
    towards, against = estimated([*pairs, *leaning]).log_odds[-2:]
    assert 0 < towards < against


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_naming_the_responses_the_other_way_round_changes_nothing(seed):
    chance = np.random.default_rng(seed)
    pairs = simulated(SKILLS, LEANS, 60, seed=seed)
    turn = chance.random(60) < 0.5
    before = estimated(pairs)
    after = estimated([turned(p) if t else p for p, t in zip(pairs, turn, strict=True)])
    np.testing.assert_allclose(after.skill, before.skill, atol=1e-4)
    np.testing.assert_allclose(np.where(turn, -1, 1) * after.log_odds, before.log_odds, atol=1e-3)


def test_somebody_with_few_answers_is_taken_for_usual():
    [*_, newcomer] = estimated(
        [*simulated(SKILLS, LEANS, 300), balloted(999, [("newcomer", 1, 1)])]
    ).skill
    assert newcomer == pytest.approx(1.5, abs=0.2)


def test_an_expert_may_outvote_two_others_and_then_names_the_chosen_response():
    pairs = simulated([0.1, 0.1, 4.0, 4.0], [0.0] * 4, 2000)
    outvoted = balloted(9999, [("labeler 0", -1, 0), ("labeler 1", -1, 0), ("labeler 3", 1, 0)])
    assert outvoted.chosen == "bad"
    told = relabelled([*pairs, outvoted], "labelers")[-1]
    assert (told.chosen, told.votes) == ("good", (1, 0, 2))
    assert told.preference > 0.9


def test_pairs_without_ballots_stay_and_ties_stay_ties():
    pairs = simulated(SKILLS, LEANS, 100)
    alone = Pair(500, "train", [], "a", "b", preference=0.8)
    tied = balloted(501, [("labeler 1", 0, 1), ("labeler 5", 1, 1)])
    told = relabelled([*pairs, alone, tied], "labelers")[-2:]
    assert told[0] == alone
    assert told[1].tie == 0.5
    assert sum(told[1].outcomes) == pytest.approx(1)


def test_without_pairs_judged_twice_skill_is_refused_in_a_sentence():
    few = [balloted(n, [("a", 1, 1), ("b", 1, 1)]) for n in range(FEWEST_REPEATED - 1)]
    with pytest.raises(ValueError, match=f"there are {FEWEST_REPEATED - 1}; raise the campaign's"):
        estimated(few)


def test_figures_tell_of_all_labelers_and_of_none():
    told = labeler_figures(estimated(simulated(SKILLS, LEANS, 3000)))
    assert told["labelers"] == 6
    assert 0.5 < told["labeler_skill_lowest"] < told["labeler_skill_highest"] < 1
    assert told["labeler_lean_largest"] == pytest.approx(expit(1.0), abs=0.05)
    assert not any("labeler 1" in str(value) for value in told.values())


def with_strengths(scale: dict[int, int], pairs: int = 200) -> list[Pair]:
    """Two people judge each pair; the second uses the scale in another way."""
    chance = np.random.default_rng(1)
    strengths = chance.integers(1, 4, pairs).tolist()
    return [
        balloted(n, [("a", s, 1), ("b", scale[s], -1)], margin=0.5) for n, s in enumerate(strengths)
    ]


def test_how_somebody_uses_the_scale_changes_no_calibrated_strength():
    as_wide = ranked_strengths(with_strengths({1: 1, 2: 2, 3: 3}))
    shy = ranked_strengths(with_strengths({1: 1, 2: 2, 3: 4}))
    assert as_wide == pytest.approx(shy)
    assert 0 < min(as_wide) < max(as_wide) < 1


def test_a_strength_is_its_rank_among_the_persons_own_answers():
    pairs = [balloted(n, [("a", s, 1)]) for n, s in enumerate([1] * 10 + [2] * 20 + [3] * 10)]
    found = ranked_strengths(pairs)
    assert found[0] == pytest.approx(10 / 2 / 40)
    assert found[15] == pytest.approx((10 + 20 / 2) / 40)
    assert found[-1] == pytest.approx(1 - 10 / 2 / 40)


def test_people_with_few_answers_are_ranked_among_all_and_disagreement_weakens():
    pairs = [balloted(n, [("a", 1 + n % 3, 1)]) for n in range(30)]
    new = balloted(100, [("newcomer", 3, 1)])
    split = balloted(101, [("a", 3, 1), ("newcomer", -3, 1)])
    found = ranked_strengths([*pairs, new, split, Pair(9, "train", [], "a", "b", margin=0.3)])
    assert found[-3] > 0.8
    assert found[-2] < 0.1
    assert found[-1] == 0.3


def test_calibrated_strengths_reach_the_margin():
    pairs = with_strengths({1: 1, 2: 2, 3: 3})
    said = relabelled(pairs, "shares")
    ranked = relabelled(pairs, "shares", "calibrated")
    assert {pair.margin for pair in said} == {0.5}
    assert len({round(pair.margin, 6) for pair in ranked}) == 3


def test_turning_a_pair_twice_changes_nothing():
    pair = balloted(1, [("a", 2, 1), ("b", 0, -1)], aspects={"brief": 0.75}, chosen_policy="x@1")
    assert turned(turned(pair)) == pair
    assert turned(pair).aspects == {"brief": 0.25}
    assert logit(turned(pair).preference) == pytest.approx(-logit(pair.preference))
