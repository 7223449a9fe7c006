"""The command-line program: a folder in, a better policy out, whatever happens in between."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED
from rlhf.learning import __main__ as program
from rlhf.learning.inputs import Start, scorer_for
from tests.rlhf.learning.reward_folder import reward_folder
from tests.stopping import stopping_after
from tests.tiny_model import make_tiny_model

SETTINGS = {
    "program": "ppo",
    "generator": "transformers",
    "updates": 4,
    "batch_size": 8,
    "minibatch_size": 4,
    "epochs": 2,
    "max_response_tokens": 8,
    "learning_rate": 1e-3,
    "samples_every": 2,
    "seed": 0,
}
ROWS = [
    {
        "id": number,
        "split": "test" if number % 3 == 0 else "train",
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
    }
    for number in range(12)
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def directory(tmp_path, tiny, monkeypatch) -> Path:
    """A run that is ready to start, whose scorer likes long answers."""

    def likes_length(start: Start, tokenizer: object) -> object:
        return lambda conversations, responses: [len(text) / 10 for text in responses]

    monkeypatch.setattr(program, "scorer_for", likes_length)
    return prepared(tmp_path, tiny)


def prepared(path: Path, tiny: Path, **settings: object) -> Path:
    config = {**SETTINGS, "model": str(tiny), "reward_model": str(tiny), **settings}
    (path / "config.json").write_text(json.dumps(config))
    (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def untimed(path: Path) -> list[dict]:
    metrics = lines(path / "metrics.jsonl")
    return [{k: v for k, v in line.items() if "second" not in k} for line in metrics]


def test_a_run_leaves_metrics_samples_figures_and_a_model_that_loads(directory, tiny):
    assert program.main([str(directory)]) == EXIT_DONE

    metrics = lines(directory / "metrics.jsonl")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    contract = (
        "score reward kl kl_coef entropy length eos_rate clip_fraction approx_kl policy_loss "
        "value_loss explained_variance tokens_per_second seconds_rollout seconds_score "
        "seconds_train seconds_sync ratio_first seconds steps"
    )
    assert set(contract.split()) <= metrics[0].keys()

    samples = lines(directory / "samples.jsonl")
    assert {line["step"] for line in samples} == {0, 2, 4}
    assert {line["prompt_id"] for line in samples} == {0, 3, 6, 9}

    figures = json.loads((directory / "result" / "result.json").read_text())
    assert figures["test_prompts"] == 4
    assert figures["updates"] == 4
    assert figures["reward_gain"] == pytest.approx(
        figures["reward_after"] - figures["reward_before"]
    )
    AutoModelForCausalLM.from_pretrained(directory / "result")
    AutoTokenizer.from_pretrained(directory / "result")


def test_a_finished_run_is_not_made_again(directory):
    assert program.main([str(directory)]) == EXIT_DONE
    metrics = (directory / "metrics.jsonl").read_text()
    assert program.main([str(directory)]) == EXIT_DONE
    assert (directory / "metrics.jsonl").read_text() == metrics


def test_a_run_asked_to_stop_goes_on_to_the_same_curve(directory, tmp_path, tiny):
    other = tmp_path / "uninterrupted"
    other.mkdir()
    assert program.main([str(prepared(other, tiny))]) == EXIT_DONE

    with stopping_after(2):
        assert program.main([str(directory)]) == EXIT_STOPPED
    assert program.main([str(directory)]) == EXIT_DONE
    assert untimed(directory) == untimed(other)
    assert lines(directory / "samples.jsonl") == lines(other / "samples.jsonl")
    results = [json.loads((path / "result/result.json").read_text()) for path in (directory, other)]
    assert results[0] == results[1]


def test_a_killed_run_forgets_what_its_checkpoint_does_not_know(directory, monkeypatch):
    prepared(directory, Path(json.loads((directory / "config.json").read_text())["model"]))
    report = program.RunDirectory.report

    class Killed(BaseException):
        """As if by kill -9: nothing after it runs."""

    def killed(self: program.RunDirectory, metrics: dict) -> None:
        report(self, metrics)
        if metrics["step"] == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(program.RunDirectory, "report", killed)
        with pytest.raises(Killed):
            program.main([str(directory)])
    assert program.main([str(directory)]) == EXIT_DONE
    assert [line["step"] for line in lines(directory / "metrics.jsonl")] == [1, 2, 3, 4]


def test_a_full_disk_fails_the_run_with_the_reason_and_with_room_it_goes_on(
    directory, tmp_path, tiny, monkeypatch, capsys
):
    other = tmp_path / "uninterrupted"
    other.mkdir()
    assert program.main([str(prepared(other, tiny))]) == EXIT_DONE
    save = program.Learner.save

    def fill_the_disk(self: program.Learner, folder: Path) -> None:
        save(self, folder)
        if self.update == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(program.Learner, "save", fill_the_disk)
        assert program.main([str(directory)]) == EXIT_FAILED
    assert capsys.readouterr().err.strip().endswith("No space left on device")
    assert program.main([str(directory)]) == EXIT_DONE
    assert untimed(directory) == untimed(other)


@pytest.fixture
def judged(tmp_path, tiny) -> Path:
    """A run that follows a reward model of random weights, with a copy of it held out."""
    followed = reward_folder(tmp_path / "followed", tiny)
    held_out = shutil.copytree(followed, tmp_path / "held-out")
    folder = tmp_path / "run"
    folder.mkdir()
    told = {"reward_model": str(followed), "held_out_model": str(held_out), "updates": 2}
    return prepared(folder, tiny, **told)


def test_the_model_that_is_not_followed_scores_the_same_answers(judged, tiny, tmp_path):
    assert program.main([str(judged)]) == EXIT_DONE
    figures = json.loads((judged / "result" / "result.json").read_text())
    held_out = figures["held_out"]
    assert held_out == {name: figures[name] for name in held_out}, "a copy says the same"
    assert {"win_rate", "reward_gain", "reward_gain_se", "test_prompts"} <= held_out.keys()

    other = tmp_path / "other"
    other.mkdir()
    told = json.loads((judged / "config.json").read_text())
    another = reward_folder(tmp_path / "another", tiny, seed=1)
    prepared(other, tiny, **told | {"held_out_model": str(another)})
    assert program.main([str(other)]) == EXIT_DONE
    again = json.loads((other / "result" / "result.json").read_text())
    assert again["held_out"]["reward_before"] != held_out["reward_before"]
    same = {name: value for name, value in again.items() if name != "held_out"}
    assert same == {name: figures[name] for name in same}, "nothing is learned from it"


def test_a_run_that_goes_on_remembers_what_the_held_out_model_said(judged, tiny, tmp_path):
    other = tmp_path / "uninterrupted"
    other.mkdir()
    told = json.loads((judged / "config.json").read_text())
    assert program.main([str(prepared(other, tiny, **told))]) == EXIT_DONE
    with stopping_after(1):
        assert program.main([str(judged)]) == EXIT_STOPPED
    assert program.main([str(judged)]) == EXIT_DONE
    results = [json.loads((path / "result/result.json").read_text()) for path in (judged, other)]
    assert results[0] == results[1]
    assert "held_out" in results[0]


def test_a_held_out_model_that_can_not_judge_the_run_is_refused(judged, tiny, tmp_path, capsys):
    told = json.loads((judged / "config.json").read_text())
    strange = shutil.copytree(told["held_out_model"], tmp_path / "strange")
    card = json.loads((strange / "reward.json").read_text())
    (strange / "reward.json").write_text(json.dumps({**card, "template_hash": "another"}))
    for folder, sentence in (
        (strange, "held_out_model does not fit: The policy and the reward model have different"),
        (told["reward_model"], "held_out_model must be another one"),
        ("/nowhere", "a folder with a held_out_model in 'held_out_model'"),
    ):
        prepared(judged, tiny, **told | {"held_out_model": str(folder)})
        assert program.main([str(judged)]) == EXIT_FAILED
        [only] = capsys.readouterr().err.strip().splitlines()
        assert sentence in only


REFUSALS = [
    ({"batch_size": 9}, None, "must divide"),
    ({"favourite_colour": "blue"}, None, "does not know: ['favourite_colour']"),
    ({"program": "reward"}, None, "not for ppo"),
    ({"model": "/nowhere"}, None, "must name a folder with a model in 'model'"),
    ({"batch_size": "many"}, None, "wrong type"),
    ({"top_p": 0.9}, None, "top_p=0.9 must be 1: PPO compares probabilities of the whole"),
    ({"memory_gib": -1.0}, None, "must not be negative"),
    ({"generator": "server"}, None, "server holds the addresses of vLLM servers"),
    ({"server": "http://localhost:8000/v1"}, None, "do not go together"),
    ({"generator": "server", "server": "localhost:8000"}, None, "addresses like http://"),
    (
        {"generator": "server", "server": "http://localhost:8000/v1", "tuning": "full"},
        None,
        "takes adapters only",
    ),
    ({}, [], "no prompt to train on"),
    ({}, [row for row in ROWS if row["split"] == "train"], "fewer than 2 prompts to test on"),
    (
        {},
        [{**ROWS[1], "prompt": [{"role": "user", "content": "Why? " * 600}]}],
        "exceeds the model's context of 512",
    ),
    ({}, [{"id": 1, "split": "train"}], "line 1 lacks a prompt"),
]


@pytest.mark.parametrize(("settings", "rows", "sentence"), REFUSALS)
def test_what_can_not_work_is_refused_in_one_sentence_before_a_model_is_loaded(
    directory, tiny, settings, rows, sentence, capsys, monkeypatch
):
    monkeypatch.setattr(program, "policy_for", None)  # calling it would be a traceback
    prepared(directory, tiny, **settings)
    if rows is not None:
        (directory / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert program.main([str(directory)]) == EXIT_FAILED
    [only] = capsys.readouterr().err.strip().splitlines()
    assert sentence in only
    assert only.endswith(".")


def test_prompts_too_long_for_the_budget_are_left_out_and_counted(directory, tiny):
    prepared(directory, tiny, max_prompt_tokens=100, updates=1)
    long = {**ROWS[1], "prompt": [{"role": "user", "content": "Why? " * 60}]}
    with (directory / "data.jsonl").open("a") as file:
        file.write(json.dumps(long) + "\n")
    assert program.main([str(directory)]) == EXIT_DONE
    figures = json.loads((directory / "result" / "result.json").read_text())
    assert figures["prompts_left_out"] == 1


def test_the_result_is_the_best_policy_where_the_run_fell_apart_later(
    directory, tmp_path, tiny, monkeypatch
):
    """From the second update on the scorer finds everything bad."""
    more = [{**ROWS[1], "id": 100 + n} for n in range(32)]

    def figures_of(path: Path, updates: int) -> dict:
        prepared(path, tiny, updates=updates, anneal=False, validate_every=1, validation_prompts=8)
        (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS + more))
        assert program.main([str(path)]) == EXIT_DONE
        return json.loads((path / "result" / "result.json").read_text())

    short = tmp_path / "short"
    short.mkdir()
    figures_of(short, 1)

    lost = []
    monkeypatch.setattr(
        program,
        "scorer_for",
        lambda start, tokenizer: lambda _, texts: [len(t) / 10 - 100 * len(lost) for t in texts],
    )
    report = program.RunDirectory.report

    def reported(self: program.RunDirectory, metrics: dict) -> None:
        report(self, metrics)
        lost[:] = [True]

    monkeypatch.setattr(program.RunDirectory, "report", reported)
    figures = figures_of(directory, 3)
    assert (figures["updates"], figures["result_of_update"]) == (3, 1)
    assert [row["validation_score"] < -50 for row in lines(directory / "metrics.jsonl")] == [
        False,
        True,
        True,
    ]
    weights = [(path / "result" / "model.safetensors").read_bytes() for path in (directory, short)]
    assert weights[0] == weights[1]


def test_few_prompts_are_all_learned_from(directory, tiny):
    prepared(directory, tiny, updates=1, validate_every=1)
    assert program.main([str(directory)]) == EXIT_DONE
    figures = json.loads((directory / "result" / "result.json").read_text())
    assert figures["train_prompts"] == 8
    assert "validation_score" not in lines(directory / "metrics.jsonl")[0]


def test_padding_that_looks_like_the_end_is_refused(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.pad_token = tokenizer.eos_token
    with pytest.raises(ValueError, match="pads with its end-of-sequence token"):
        scorer_for(Start(tiny, tiny), tokenizer)


@pytest.mark.slow
def test_the_program_runs_from_a_shell_and_a_folder_without_settings_is_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rlhf.learning", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_FAILED
    assert "no config.json" in done.stderr.strip().splitlines()[-1]
