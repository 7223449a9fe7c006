"""Labelers whose leanings are planted: they are found out, and the honest are left alone."""

import numpy as np
import pytest

from labeling.statistics import bias


def crowd(rng, skills, pairs=400, left_bias=None, copier=None):
    """Answers (people, pairs) of 0 or 1, where 0 stands on the left, and the truth.

    Who does not see the truth picks the left with a chance of their own, else tosses a coin.
    """
    people = len(skills)
    truth = rng.integers(0, 2, pairs)
    guess = rng.random((people, pairs)) > np.array(left_bias or [0.5] * people)[:, None]
    seen = rng.random((people, pairs)) < np.array(skills)[:, None]
    said = np.where(seen, truth, guess.astype(int))
    if copier is not None:
        copies = rng.random(pairs) < 0.95
        said[copier[1]] = np.where(copies, said[copier[0]], said[copier[1]])
    return said


def shared(said):
    names = [f"u{n}" for n in range(len(said))]
    return {
        (names[a], names[b]): (int((said[a] == said[b]).sum()), said.shape[1])
        for a in range(len(said))
        for b in range(a + 1, len(said))
    }


def test_the_interval_of_the_left_rate_covers_a_planted_rate():
    covered = 0
    for seed in range(100):
        chose_left = int((np.random.default_rng(seed).random(300) < 0.62).sum())
        found = bias.leaning(chose_left, 300, 0.5, 10)
        covered += found.low <= 0.62 <= found.high
    assert covered >= 89  # 95, less three standard errors


def test_who_leans_to_the_left_is_found_out_and_the_honest_are_not():
    rng = np.random.default_rng(1)
    said = crowd(rng, [0.6] * 8, left_bias=[0.5] * 7 + [0.95])
    found = [bias.leaning(int((row == 0).sum()), len(row), 0.5, 8) for row in said]
    assert [one.alarm for one in found] == [False] * 7 + [True]


def test_honest_crowds_set_off_an_alarm_in_at_most_one_campaign_of_a_hundred():
    alarms = 0
    for seed in range(200):
        left = np.random.default_rng(seed).binomial(120, 0.5, 12)
        alarms += any(bias.leaning(int(n), 120, 0.5, 12).alarm for n in left)
    assert alarms <= 6  # 2 expected


def test_a_planted_copier_is_flagged_with_the_one_it_copies_and_nobody_else():
    said = crowd(np.random.default_rng(2), [0.9, 0.7, 0.6, 0.7, 0.5, 0.6], copier=(4, 5))
    flagged = {pair for pair, found in bias.copies(shared(said)).items() if found.alarm}
    assert flagged == {("u4", "u5")}


def test_two_skilled_labelers_who_agree_often_are_not_taken_for_copiers():
    alarms = 0
    for seed in range(60):
        said = crowd(np.random.default_rng(seed), [0.95, 0.95, 0.5, 0.5, 0.4, 0.6])
        alarms += any(found.alarm for found in bias.copies(shared(said)).values())
    assert alarms <= 3


def test_with_fewer_than_four_there_is_nobody_to_compare_a_copier_with():
    [found] = bias.copies({("u1", "u2"): (100, 100)}).values()
    assert found.expected is None
    assert not found.alarm


def test_a_planted_speeder_is_flagged_and_a_brisk_labeler_is_not():
    medians = {f"u{n}": (20.0 + n, 18.0 + n, 22.0 + n, 100) for n in range(5)}
    medians |= {"speeder": (3.0, 2.8, 3.4, 100), "brisk": (13.0, 12.0, 15.0, 100)}
    found = bias.pace(medians)
    assert {who for who, one in found.items() if one.alarm} == {"speeder"}


def test_nobody_is_called_hasty_after_a_handful_of_answers():
    found = bias.pace({"a": (20, 18, 22, 100), "b": (1, 1, 1, 3)})
    assert not found["b"].alarm


def test_who_always_presses_one_key_is_flagged():
    answers = {f"u{n}": [30, 25, 20, 25, 5] for n in range(4)}
    answers["monotone"] = [95, 2, 1, 1, 1]
    found = bias.monotony(answers)
    assert {who for who, one in found.items() if one.alarm} == {"monotone"}
    assert found["u0"].low <= found["u0"].value <= found["u0"].high


@pytest.mark.parametrize(
    ("counts", "bits"), [([1, 1], 1.0), ([1, 1, 1, 1], 2.0), ([7, 0, 0], 0.0), ([2, 1, 1], 1.5)]
)
def test_entropy_is_shannons(counts, bits):
    assert bias.entropy(counts) == pytest.approx(bits)


def test_who_agrees_less_than_the_rest_is_told_but_not_who_agrees_more():
    counts = {"u1": (80, 100), "u2": (82, 100), "u3": (79, 100), "low": (50, 100), "top": (97, 100)}
    found = bias.beside_the_rest(counts, side=-1)
    assert {who for who, one in found.items() if one.alarm} == {"low"}


def test_drift_is_the_later_less_the_earlier_and_its_interval_covers_it():
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        early, late = int(rng.binomial(150, 0.8)), int(rng.binomial(150, 0.65))
        found = bias.drift((early, 150), (late, 150), 5)
        covered += found.low <= -0.15 <= found.high
    assert covered >= 89
    assert bias.drift((90, 100), (50, 100), 5).alarm
    assert not bias.drift((80, 100), (78, 100), 5).alarm
    assert bias.drift((1, 2), (0, 0), 5) is None
