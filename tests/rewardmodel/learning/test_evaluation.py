import numpy as np
import pytest
from scipy.special import logit

from rewardmodel.learning.baselines import length_baseline, majority_baseline, words_baseline
from rewardmodel.learning.evaluation import calibration_error, figures, fitted_temperature
from rewardmodel.learning.pairs import Pair
from tests.rewardmodel.learning.planted import planted_rows


def pair(chosen: str = "a", rejected: str = "b", **changed) -> Pair:
    prompt = [{"role": "user", "content": "?"}]
    return Pair(1, "train", prompt, chosen=chosen, rejected=rejected, **changed)


def test_the_length_rule_is_chosen_on_train_and_measured_on_test():
    short_wins, long_wins = pair("x", "xxx"), pair("xxx", "x")
    assert length_baseline([short_wins] * 3, [short_wins, short_wins, long_wins]) == pytest.approx(
        2 / 3
    )
    assert length_baseline([long_wins] * 3, [short_wins] * 2) == 0.0


def test_equally_long_responses_say_nothing_about_length():
    assert length_baseline([pair()], [pair(), pair("xx", "x")]) == 0.75


def test_without_authors_the_majority_is_a_coin_although_the_better_one_comes_first():
    assert majority_baseline([pair()] * 9, [pair()] * 4) == 0.5


def test_the_majority_prefers_the_policy_that_won_more_often():
    new_wins = pair(chosen_policy="v1", rejected_policy="v0")
    old_wins = pair(chosen_policy="v0", rejected_policy="v1")
    assert majority_baseline([new_wins] * 2 + [old_wins], [new_wins] * 3 + [old_wins]) == 0.75


def test_words_find_a_planted_word():
    pairs = [Pair(**row) for row in planted_rows(120)]
    assert words_baseline(pairs[:80], pairs[80:]) > 0.9


def test_words_are_no_help_when_labels_are_chance():
    pairs = [Pair(**row) for row in planted_rows(200)]
    for number, each in enumerate(pairs):
        if number % 2:
            swapped = {"chosen": each.rejected, "rejected": each.chosen}
            pairs[number] = Pair(**{**each.__dict__, **swapped})
    assert 0.3 < words_baseline(pairs[:100], pairs[100:]) < 0.7


def test_a_shift_and_a_scale_of_all_scores_change_no_accuracy():
    generator = np.random.default_rng(0)
    pairs = [pair("x" * n, "y") for n in generator.integers(1, 9, 50)]
    scores = generator.normal(size=(50, 2))
    before, after = figures(scores, pairs, pairs), figures(3 * scores + 7, pairs, pairs)
    assert before["accuracy"] == after["accuracy"]
    assert before["accuracy_low"] < before["accuracy"] < before["accuracy_high"]
    assert after["mean"] == pytest.approx(3 * before["mean"] + 7)


def test_the_temperature_undoes_a_scale():
    generator = np.random.default_rng(0)
    probability = generator.uniform(0.5, 0.95, 20_000)
    lead = logit(probability) * np.where(generator.random(20_000) < probability, 1, -1)
    assert fitted_temperature(lead) == pytest.approx(1, abs=0.05)
    assert fitted_temperature(3 * lead) == pytest.approx(3, abs=0.15)
    assert calibration_error(lead) < 0.02
    assert calibration_error(3 * lead) > 0.1


def test_sure_and_wrong_is_the_worst_calibration():
    assert calibration_error(np.full(10, -50.0)) == pytest.approx(1.0)
    assert calibration_error(np.full(10, 50.0)) == pytest.approx(0.0)
