import numpy as np
import pytest
from scipy.special import logit

from rewardmodel.learning.baselines import length_baseline, majority_baseline, words_baseline
from rewardmodel.learning.calibration import (
    calibration_error,
    fitted_temperature,
    halves_by_prompt,
    reliability,
    scaled_crosswise,
)
from rewardmodel.learning.evaluation import (
    disagreements,
    figures,
    length_correlation,
    predictions,
    report,
)
from rewardmodel.learning.learning_curve import worth_of_labels
from rewardmodel.learning.pairs import Pair
from rewardmodel.learning.slices import agreement_level, labeler_agreement, length_gap, slices
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


def test_undecided_pairs_have_no_part_in_accuracy_or_baselines():
    pairs = [pair("xx", "x", preference=0.5, tie=1.0)] * 5 + [pair("xx", "x"), pair("x", "xx")] * 5
    scores = np.array([[-9.0, 9.0]] * 5 + [[1.0, 0.0]] * 10)
    found = figures(scores, pairs, pairs)
    assert (found["accuracy"], found["test_pairs"], found["train_pairs"]) == (1.0, 10, 15)
    assert found["length_baseline"] == 0.5


def test_all_pairs_of_a_prompt_are_in_one_half_of_the_calibration():
    prompts = [[{"role": "user", "content": f"question {n % 7}"}] for n in range(40)]
    pairs = [Pair(n, "test", prompt, "a", "b") for n, prompt in enumerate(prompts)]
    second = halves_by_prompt(pairs)
    assert {int(n) % 7 for n in np.flatnonzero(second)}.isdisjoint(
        int(n) % 7 for n in np.flatnonzero(~second)
    )
    assert 0 < second.sum() < 40


def test_pairs_of_a_single_prompt_are_dealt_out_in_turn():
    assert halves_by_prompt([pair()] * 4).tolist() == [False, True, False, True]


def test_a_temperature_is_measured_on_the_half_it_was_not_fitted_to():
    """One half is right three times in four at any lead, the other always wrong."""
    second = np.arange(400) % 2 == 1
    lead = np.where(np.arange(400) % 8 < 6, 2.0, -2.0)
    lead[second] = -2.0
    scaled = scaled_crosswise(lead, second)
    assert abs(scaled[second]).max() == pytest.approx(2.0 / fitted_temperature(lead[~second]))
    assert calibration_error(scaled[second]) > 0.7


def test_reliability_bins_hold_every_pair_once_and_confidence_is_above_a_half():
    lead = np.random.default_rng(0).normal(size=300) * 3
    bins = reliability(lead)
    assert sum(each["pairs"] for each in bins) == 300
    assert all(0.5 <= each["confidence"] <= 1 for each in bins)
    assert [each["confidence"] for each in bins] == sorted(each["confidence"] for each in bins)
    right = sum(each["pairs"] * each["accuracy"] for each in bins)
    assert right == pytest.approx((lead > 0).sum())


def test_every_decided_pair_is_in_one_slice_of_each_kind():
    pairs = [
        pair("x" * 10, "x" * 10, category="code", votes=(1, 0, 0)),
        pair("x" * 20, "x" * 10, category="code", votes=(3, 0, 0)),
        pair("x" * 10, "x" * 12, category="facts", votes=(2, 1, 1)),
        pair("x" * 1, "x" * 12, votes=(3, 0, 2)),
    ]
    found = slices(np.array([1.0, 1.0, -1.0, 0.0]), pairs)
    assert [(row["name"], row["pairs"], row["accuracy"]) for row in found["category"]] == [
        ("", 1, 0.5),
        ("code", 2, 1.0),
        ("facts", 1, 0.0),
    ]
    assert [row["name"] for row in found["agreement"]] == [
        "one answer",
        "all agree",
        "most agree",
        "divided",
    ]
    assert [agreement_level(each) for each in pairs] == [
        "one answer",
        "all agree",
        "most agree",
        "divided",
    ]
    assert [length_gap(each) for each in pairs] == [
        "about as long",
        "much longer",
        "shorter",
        "much shorter",
    ]
    assert all(
        row["low"] <= row["accuracy"] <= row["high"] for rows in found.values() for row in rows
    )


def test_the_ceiling_is_how_often_two_people_agree_on_the_same_pairs():
    pairs = [pair(votes=(2, 0, 0)), pair(votes=(2, 1, 1)), pair(votes=(1, 3, 0))]
    found = labeler_agreement(np.array([1.0, -1.0, 1.0]), pairs)
    assert found["agreement_pairs"] == 2  # the third was preferred by one person only
    assert found["labeler_agreement"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["model_agreement"] == pytest.approx((1 + 1 / 3) / 2)
    assert labeler_agreement(np.array([1.0]), [pair()]) == {}


def test_a_model_that_follows_the_majority_agrees_with_people_more_than_they_do():
    """The ceiling for a single vote is the majority, which two equal people do not reach."""
    pairs = [pair(votes=(3, 0, 1))] * 10
    found = labeler_agreement(np.ones(10), pairs)
    assert found["model_agreement"] == 0.75
    assert found["labeler_agreement"] == 0.5


def test_a_score_of_length_correlates_with_length_whoever_is_chosen():
    generator = np.random.default_rng(1)
    pairs = [pair("x" * a, "x" * b) for a, b in generator.integers(1, 90, (200, 2))]
    lengths = np.array([[len(p.chosen), len(p.rejected)] for p in pairs], dtype=float)
    hard = generator.normal(size=(200, 1)) * 1000  # the level of a question plays no part
    assert length_correlation(lengths + hard, pairs) == pytest.approx(1, abs=0.01)
    assert length_correlation(-lengths, pairs) == pytest.approx(-1)
    assert abs(length_correlation(generator.normal(size=(200, 2)), pairs)) < 0.15


def test_disagreements_are_with_confident_people_and_the_worst_comes_first():
    pairs = [
        Pair(1, "test", [], "a", "b", preference=1.0),
        Pair(2, "test", [], "a", "b", preference=0.6),
        Pair(3, "test", [], "a", "b", preference=0.95, votes=(19, 0, 1)),
        Pair(4, "test", [], "a", "b", preference=1.0),
    ]
    found = disagreements(np.array([-1.0, -9.0, -2.0, 3.0]), pairs)
    assert [each["id"] for each in found] == [3, 1]
    assert found[0]["votes"] == 20
    assert found[0]["probability"] == pytest.approx(1 / (1 + np.exp(2)))


def test_a_report_holds_every_decided_pair_and_is_json():
    import json

    generator = np.random.default_rng(0)
    pairs = [pair("x" * n, "yy") for n in generator.integers(1, 9, 60)]
    pairs += [pair(preference=0.5, tie=1.0)] * 5
    found = report(generator.normal(size=(65, 2)) * 9, pairs, temperature=2.0)
    assert sum(each["pairs"] for each in found["leads"]) == 60
    assert sum(row["pairs"] for row in found["slices"]["length"]) == 60
    assert json.loads(json.dumps(found)) == found


def test_predictions_name_what_was_chosen_so_that_snapshots_can_be_matched():
    one, other = predictions(
        np.zeros((2, 2)), [Pair(1, "test", [], "a", "b"), Pair(1, "test", [], "b", "a")]
    )
    assert one["chosen"] != other["chosen"]


def test_a_line_through_the_learning_curve_tells_what_doubling_is_worth():
    points = [{"pairs": 100 * 2**k, "accuracy": 0.6 + 0.02 * k} for k in range(4)]
    found = worth_of_labels(points, more=800)
    assert found["doubling"] == pytest.approx(0.02)
    assert found["more_accuracy"] == pytest.approx(0.02)
    assert found["doubling_se"] == pytest.approx(0, abs=1e-9)
    points[1]["accuracy"] += 0.03
    assert worth_of_labels(points, more=800)["doubling_se"] > 0.005
    assert worth_of_labels(points[:2], more=1) == {}
