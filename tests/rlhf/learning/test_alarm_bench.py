"""How the benchmark of the alarm makes its runs and counts them."""

import json

import pytest
from scipy.stats import binomtest

from bench import alarm
from bench.alarm import Run, finished, kept, made, promised, rings, rung, show


def row(followed, held_out, gold, **more):
    """A run whose gains all have a standard error of 0.1."""
    gains = [{"reward_gain": each, "reward_gain_se": 0.1} for each in (followed, held_out, gold)]
    figures = {**gains[0], "held_out": gains[1]}
    about = {"accuracy": 0.7, "held_out_accuracy": 0.6, "processor_seconds": 1.0}
    run = vars(Run("blind trunk", 60, "taught", "little", 0))
    return {**run, **about, "figures": figures, "gold": gains[2], **more}


def test_a_promise_and_a_gain_are_sure_above_two_standard_errors():
    assert promised(row(0.21, 0, 0))
    assert not promised(row(0.2, 1, 1))
    assert kept(row(1, 0, 0.21))
    assert not kept(row(1, 0, 0.2))


def test_a_share_comes_with_its_interval():
    rows = [row(1, 0 if number < 3 else 1, 0) for number in range(10)]
    interval = binomtest(3, 10).proportion_ci(method="wilson")
    told = f"3 of 10: 0.30 ({interval.low:.2f} to {interval.high:.2f})"
    assert rung(rows, rings) == told
    assert rung([], lambda row: True) == "–"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(alarm, "PPO", {**alarm.PPO, "updates": 2})
    monkeypatch.setattr(alarm, "TAUGHT_UPDATES", 1)
    monkeypatch.setattr(alarm, "GOLD_ANSWERS", 2)


def test_a_run_is_the_same_whenever_it_is_made(quick, tmp_path, capsys):
    one = Run("few labels", 30, "taught", "little", 0)
    first, again = made(one), made(one)
    assert first["figures"] == again["figures"]
    assert first["gold"]["test_prompts"] == alarm.TESTED
    assert 0.3 < first["held_out_accuracy"] < 1
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps({**vars(one), **first}) + "\n")
    assert [*finished(file)] == [one]
    show([*finished(file).values()])
    assert "| few labels | taught | little | 1 |" in capsys.readouterr().out


def test_other_seeds_and_kinds_are_other_worlds(quick):
    golds = {
        made(Run("blind trunk", 30, "knows nothing", kl, seed))["gold"]["reward_gain"]
        for kl in alarm.KL
        for seed in range(2)
    }
    assert len(golds) == 4
