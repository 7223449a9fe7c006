"""The measurement of what it is worth to know the labelers: its labelers, and its intervals."""

import argparse
import json

import numpy as np
import pytest
from scipy.special import expit

from bench import labels
from rewardmodel.learning.pairs import Pair
from tests.rewardmodel.learning.planted import planted_rows


def test_simulated_labelers_turn_a_quarter_of_all_preferences_round():
    chance = np.random.default_rng(0)
    pair = Pair(1, "train", [{"role": "user", "content": "?"}], "good", "bad")
    told = [labels.answers(pair, 3, chance) for _ in range(4000)]
    named = [(b.answer > 0) == (p.chosen == "good") for p in told for b in p.ballots]
    assert np.mean(named) == pytest.approx(0.75, abs=0.02)
    assert {sum(p.votes) for p in told} == {3}
    assert all(p.preference > 0.5 for p in told)
    best = [(b, p) for p in told for b in p.ballots if b.by == "labeler 0"]
    right = np.mean([(b.answer > 0) == (p.chosen == "good") for b, p in best])
    assert right == pytest.approx(expit(labels.SKILL[0]), abs=0.02)


def test_the_interval_of_a_difference_that_never_varies_is_that_difference():
    assert labels.interval(np.full((3, 20), 0.25), np.arange(20) // 2) == (0.25, 0.25)


def test_the_interval_counts_prompts_and_not_pairs():
    """Ten pairs of one prompt that all agree are one piece of evidence."""
    difference = np.repeat(np.random.default_rng(0).choice([-1.0, 1.0], 12), 10)[None]
    wide = labels.interval(difference, np.repeat(np.arange(12), 10))
    narrow = labels.interval(difference, np.arange(120))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_knowing_the_truth_is_best_and_everyone_sees_the_same_answers(tiny, tmp_path):
    data = tmp_path / "pairs.jsonl"
    names = ("prompt", "chosen", "rejected")
    with data.open("w") as file:
        for row in planted_rows(150):
            file.write(json.dumps({name: row[name] for name in names}) + "\n")
    asked = argparse.Namespace(model=tiny, data=data, runs=2, overlap=3, precision="fp32")
    rows = {row["learn from"]: row for row in labels.measured(asked)}
    assert rows.keys() == {"majority", "shares", "posterior", "labelers", labels.TRUTH}
    accuracy = {name: row["accuracy"] for name, row in rows.items()}
    assert accuracy[labels.TRUTH] == max(accuracy.values()) > 0.9
    for name, row in rows.items():
        if name != "majority":
            assert row["above majority"] == pytest.approx(accuracy[name] - accuracy["majority"])
            assert row["low"] <= row["above majority"] <= row["high"]
    assert asked.facts["answers turned round"] == pytest.approx(0.25, abs=0.05)
