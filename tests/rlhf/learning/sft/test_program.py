"""The command-line program: a folder in, a fine-tuned model out, whatever happens in between."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED
from rlhf.learning.sft import __main__ as program
from tests.stopping import stopping_after
from tests.tiny_model import make_tiny_model

SETTINGS = {
    "program": "sft",
    "tuning": "full",
    "learning_rate": 3e-3,
    "precision": "fp32",
    "epochs": 3,
    "batch_size": 4,
    "evaluate_every": 2,
    "samples_every": 3,
    "sample_tokens": 6,
    "checkpoint_every": 2,
    "max_length": 64,
}
ROWS = [
    {
        "id": number,
        "split": "test" if number % 4 == 0 else "train",
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
        "completion": f"A good answer is {number}.",
    }
    for number in range(16)
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("student"))


@pytest.fixture
def directory(tmp_path, tiny) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return prepared(path, tiny)


def prepared(path: Path, tiny: Path, rows=ROWS, **settings: object) -> Path:
    (path / "config.json").write_text(json.dumps({**SETTINGS, "model": str(tiny), **settings}))
    (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def untimed(path: Path) -> list[dict]:
    metrics = lines(path / "metrics.jsonl")
    return [{k: v for k, v in line.items() if "second" not in k} for line in metrics]


def figures(path: Path) -> dict:
    return json.loads((path / "result" / "result.json").read_text())


def test_a_run_leaves_metrics_samples_figures_and_a_model_that_loads(directory):
    assert program.main([str(directory)]) == EXIT_DONE

    metrics = lines(directory / "metrics.jsonl")
    assert [line["step"] for line in metrics] == list(range(10))
    assert metrics[0].keys() == {"step", "steps", "test_loss"}
    contract = {"loss", "learning_rate", "grad_norm", "tokens_per_second", "seconds", "skipped"}
    assert contract <= metrics[1].keys()

    samples = lines(directory / "samples.jsonl")
    assert {line["step"] for line in samples} == {0, 3, 6, 9}
    assert {line["prompt_id"] for line in samples} == {0, 4, 8, 12}

    told = figures(directory)
    assert told["test_loss_after"] < told["test_loss_before"]
    assert (told["train_demonstrations"], told["test_demonstrations"]) == (12, 4)
    AutoModelForCausalLM.from_pretrained(directory / "result")
    AutoTokenizer.from_pretrained(directory / "result")


def test_a_run_killed_and_a_run_asked_to_stop_go_on_to_the_same_curve(
    directory, tmp_path, tiny, monkeypatch
):
    other = tmp_path / "uninterrupted"
    other.mkdir()
    assert program.main([str(prepared(other, tiny))]) == EXIT_DONE
    report = program.RunDirectory.report

    class Killed(BaseException):
        """As if by kill -9: nothing after it runs."""

    def killed(self, metrics):
        report(self, metrics)
        if metrics["step"] == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(program.RunDirectory, "report", killed)
        with pytest.raises(Killed):
            program.main([str(directory)])
    with stopping_after(7):
        assert program.main([str(directory)]) == EXIT_STOPPED
    assert program.main([str(directory)]) == EXIT_DONE
    assert untimed(directory) == untimed(other)
    assert figures(directory) == figures(other)
    newest = [
        {(line["step"], line["prompt_id"]): line["text"] for line in lines(path / "samples.jsonl")}
        for path in (directory, other)
    ]
    assert newest[0] == newest[1]


@pytest.mark.slow
def test_a_real_kill_at_any_moment_changes_nothing(directory, tmp_path, tiny):
    other = tmp_path / "uninterrupted"
    other.mkdir()
    assert program.main([str(prepared(other, tiny))]) == EXIT_DONE
    command = [sys.executable, "-m", "rlhf.learning.sft", str(directory)]
    metrics = directory / "metrics.jsonl"
    for least in (1, 4, 8):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while child.poll() is None and (
            not metrics.exists() or metrics.read_text().count("\n") < least
        ):
            time.sleep(0.005)
        child.kill()
        child.wait()
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == EXIT_DONE
    assert untimed(directory) == untimed(other)


REFUSALS = [
    ({"favourite_colour": "blue"}, ROWS, "unknown settings: favourite_colour"),
    ({"program": "ppo"}, ROWS, "not for sft"),
    ({"model": "/nowhere"}, ROWS, "no model in /nowhere"),
    ({"batch_size": "many"}, ROWS, "wrong type"),
    ({"max_length": 4096}, ROWS, "reads 512 tokens at most"),
    ({}, [], "no demonstration to train on"),
    ({}, [row for row in ROWS if row["split"] == "train"], "no demonstration to test on"),
    ({}, [{**ROWS[1], "completion": ""}], "line 1 lacks a prompt or a completion"),
    ({}, [{**ROWS[1], "split": "both"}], "line 1 is neither train nor test"),
]


@pytest.mark.parametrize(("settings", "rows", "sentence"), REFUSALS)
def test_what_can_not_work_is_refused_in_one_sentence(
    directory, tiny, settings, rows, sentence, capsys
):
    prepared(directory, tiny, rows, **settings)
    assert program.main([str(directory)]) == EXIT_FAILED
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in last
    assert last.endswith(".")


def test_demonstrations_too_long_are_left_out_and_counted(directory, tiny):
    prepared(directory, tiny, [*ROWS, {**ROWS[1], "completion": "Why? " * 60}], epochs=1)
    assert program.main([str(directory)]) == EXIT_DONE
    assert figures(directory)["left_out"] == 1
