"""What people change while a run goes: from the next update on, and after a restart too."""

import json

import pytest

from rewardmodel.learning.rundirectory import EXIT_DONE, RunDirectory
from rlhf.learning import __main__ as program
from rlhf.learning.learner import Learner
from rlhf.learning.steering import Change, changes
from tests.rlhf.learning.letters import changed, letter_policy
from tests.rlhf.learning.test_program import directory, lines, prepared, tiny

__all__ = ["directory", "tiny"]  # fixtures


def write(directory, *rows):
    (directory / "steering.json").write_text(json.dumps(rows))


def steered_after(directory, monkeypatch, step, *rows):
    """Run with the changes made by somebody when an update is told."""
    report = program.RunDirectory.report

    def reported(self, metrics):
        report(self, metrics)
        if metrics["step"] == step:
            write(directory, *rows)

    monkeypatch.setattr(program.RunDirectory, "report", reported)
    assert program.main([str(directory)]) == EXIT_DONE
    return lines(directory / "metrics.jsonl")


def test_a_new_price_is_paid_soon_and_shown_in_the_curve(directory, tiny, monkeypatch):
    prepared(directory, tiny, kl_coef=0.5)
    told = steered_after(directory, monkeypatch, 1, {"number": 1, "kl_coef": 3.0})
    assert [row["kl_coef"] for row in told] == [0.5, 0.5, 3.0, 3.0]
    assert [row["steered"] for row in told] == [0, 0, 1, 1]


def test_a_change_made_before_the_run_holds_from_the_first_update(directory):
    write(directory, {"number": 1, "kl_coef": 3.0})
    assert program.main([str(directory)]) == EXIT_DONE
    assert {row["kl_coef"] for row in lines(directory / "metrics.jsonl")} == {3.0}


def test_a_run_asked_to_finish_ends_with_what_it_has_learned(directory, monkeypatch):
    told = steered_after(directory, monkeypatch, 1, {"number": 1, "finish": True})
    assert len(told) == 2
    figures = json.loads((directory / "result" / "result.json").read_text())
    assert (figures["updates"], figures["ended_early"]) == (2, "An engineer asked for it.")


def test_a_run_asked_to_finish_at_its_start_learns_once():
    learner = Learner(changed(), letter_policy())
    finish = [Change(1, kl_coef=2.0), Change(2, finish=True)]
    learner.steer(finish)
    assert (learner.steered, learner.price.coefficient, learner.ended) == (1, 2.0, "")
    learner.update = 1
    learner.steer(finish)
    assert learner.ended


def test_an_adaptive_price_goes_on_from_where_it_was_set_and_is_set_once():
    learner = Learner(changed(kl_target=1.0, kl_horizon=10), letter_policy())
    learner.steer([Change(1, kl_coef=2.0)])
    learner.price = learner.price.after(5.0, 10)
    learner.steer([Change(1, kl_coef=2.0)])
    assert learner.price.coefficient == pytest.approx(2.4)


def test_a_restart_remembers_what_is_in_force(tmp_path):
    learner = Learner(changed(), letter_policy())
    learner.steer([Change(3, kl_coef=2.0)])
    learner.save(tmp_path)
    again = Learner(changed(), letter_policy())
    again.load(tmp_path)
    assert (again.steered, again.price.coefficient) == (3, 2.0)


@pytest.mark.parametrize(
    "text", ["{", "3", '[{"kl_coef": 1}]', '[{"number": 1, "kl_coef": -1}]', "[7]"]
)
def test_a_file_that_makes_no_sense_changes_nothing_and_stops_nothing(tmp_path, text, capsys):
    (tmp_path / "steering.json").write_text(text)
    assert changes(RunDirectory(tmp_path)) == []
    assert "passed over" in capsys.readouterr().out
