"""A training that several processes share is the training of one."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from rewardmodel.learning.artifact import Card, save_artifact
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.model import RewardModel
from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, RunDirectory
from rewardmodel.learning.sharding import launch
from rlhf.learning import __main__ as program
from rlhf.learning.settings import PPOTraining
from rlhf.learning.sharding import check_launch
from tests.launching import FSDP, WHOLE, ZERO_2, ZERO_3, by_two, command
from tests.rlhf.learning.test_program import ROWS, lines
from tests.stopping import stopping_after
from tests.tiny_model import make_tiny_model

SETTINGS = {
    "program": "ppo",
    "generator": "transformers",
    "updates": 3,
    "batch_size": 8,
    "minibatch_size": 4,
    "epochs": 2,
    "max_response_tokens": 8,
    "tuning": "full",
    "precision": "fp32",
    "learning_rate": 1e-4,
    "score_clip": 1.0,
    "whiten_rewards": True,
    "kl_target": 1.0,
    "samples_every": 1,
    "test_samples": 1,
    "memory_gib": 2.0,  # far more than they take, on a machine that others fill
}

PPO = "rlhf.learning"


@pytest.fixture
def models(tmp_path) -> dict[str, str]:
    """A tiny policy, and a reward model that nobody trained."""
    policy = make_tiny_model(tmp_path / "policy")
    tokenizer = AutoTokenizer.from_pretrained(policy)
    judge = RewardModel(AutoModel.from_pretrained(policy), tokenizer.pad_token_id)
    torch.nn.init.normal_(judge.head.weight, generator=torch.manual_seed(0))
    chat = Chat(tokenizer)
    card = Card(0.0, 1.0, 1.0, 512, "fp32", chat.template_hash(), chat.tokenizer_hash())
    folder = tmp_path / "judge"
    folder.mkdir()
    save_artifact(folder, judge, chat, card)
    return {"model": str(policy), "reward_model": str(folder)}


def prepared(directory: Path, models: dict[str, str], **settings: object) -> Path:
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({**SETTINGS, **models, **settings}))
    (directory / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return directory


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"chat_template": "{{ messages[0]['content'] }}"}, "different chat templates"),
        ({"added": "<colour>"}, "different tokenizers"),
        ({"pad_token": "<|im_end|>"}, "pads with its end-of-sequence token"),
    ],
)
def test_a_policy_that_writes_otherwise_than_was_judged_is_refused_before_it_is_loaded(
    tmp_path, models, monkeypatch, capsys, change, sentence
):
    tokenizer = AutoTokenizer.from_pretrained(models["model"])
    tokenizer.chat_template = change.get("chat_template", tokenizer.chat_template)
    tokenizer.pad_token = change.get("pad_token", tokenizer.pad_token)
    tokenizer.add_tokens(change.get("added", []))
    tokenizer.save_pretrained(models["model"])
    monkeypatch.setattr(program, "policy_for", None)  # calling it would be a traceback
    assert program.main([str(prepared(tmp_path / "run", models))]) == EXIT_FAILED
    [only] = capsys.readouterr().err.strip().splitlines()
    assert sentence in only


def assert_same_run(alone: Path, shared: Path, parent: Path) -> None:
    """Both have the same curve and the same result, which is not the parent."""
    for one, other in zip(*(lines(d / "metrics.jsonl") for d in (alone, shared)), strict=True):
        told = {k: v for k, v in one.items() if "second" not in k}
        assert {k: other[k] for k in told} == pytest.approx(told, abs=1e-5, nan_ok=True)
    first, second = (load_file(d / "result" / "model.safetensors") for d in (alone, shared))
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], rtol=0, atol=1e-5), name
    moved = load_file(parent / "model.safetensors")
    assert any((weight - moved[name]).abs().max() > 1e-4 for name, weight in first.items())


@pytest.mark.slow
def test_two_processes_end_where_one_ends(tmp_path, models):
    alone, shared = (prepared(tmp_path / name, models) for name in ("alone", "shared"))
    assert program.main([str(alone)]) == EXIT_DONE
    done = by_two(WHOLE, PPO, shared)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "2 processes share this run." in done.stdout
    assert_same_run(alone, shared, Path(models["model"]))
    assert done.stdout.count("Update 1 of 3") == 1  # one speaks for both


# Passes of different lengths, so that the processes make different numbers of them.
UNEVEN = {"tokens_per_pass": 48}
SEPARATE = {"critic": "separate", "lam": 0.95}
DPO = {"algorithm": "dpo", "answers_per_prompt": 2}
RLOO = {"algorithm": "rloo", "answers_per_prompt": 2, "score_clip": 0.0, "max_grad_norm": 0.0}
STOPPED = {"learning_rate": 1e-3, "stop_kl": 1e-3}  # steps that are seen to go too far, and left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "settings"),
    [
        (FSDP, UNEVEN | SEPARATE),
        (FSDP, DPO),
        (FSDP, RLOO),
        (ZERO_2, UNEVEN | SEPARATE),
        (ZERO_2, DPO),
        (ZERO_3, UNEVEN | SEPARATE),
        (ZERO_3, STOPPED),
    ],
)
def test_a_policy_cut_among_two_processes_ends_where_a_whole_one_ends(
    tmp_path, models, way, settings
):
    alone, cut = (prepared(tmp_path / name, models, **settings) for name in ("alone", "cut"))
    assert program.main([str(alone)]) == EXIT_DONE
    done = by_two(way, PPO, cut)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert_same_run(alone, cut, Path(models["model"]))
    if "stop_kl" in settings:
        assert sum(row["optimizer_steps"] for row in lines(cut / "metrics.jsonl")) < 12


@pytest.mark.slow
@pytest.mark.parametrize("way", [FSDP, ZERO_3])
def test_a_cut_policy_stops_and_is_saved_whole_so_that_one_process_goes_on(tmp_path, models, way):
    alone, cut = (prepared(tmp_path / name, models, updates=12) for name in ("alone", "cut"))
    assert program.main([str(alone)]) == EXIT_DONE
    launched = subprocess.Popen(command(way, PPO, cut))
    while not (cut / "metrics.jsonl").exists() or not lines(cut / "metrics.jsonl"):
        assert launched.poll() is None
        time.sleep(0.01)
    launched.send_signal(signal.SIGTERM)
    launched.wait()
    assert RunDirectory(cut).newest_checkpoint() is not None
    assert program.main([str(cut)]) == EXIT_DONE
    assert_same_run(alone, cut, Path(models["model"]))


@pytest.mark.slow
@pytest.mark.parametrize("way", [ZERO_2, ZERO_3])
def test_a_run_of_one_process_goes_on_with_its_policy_cut_among_two(tmp_path, models, way):
    alone, cut = (prepared(tmp_path / name, models) for name in ("alone", "cut"))
    assert program.main([str(alone)]) == EXIT_DONE
    with stopping_after(2):
        assert program.main([str(cut)]) == EXIT_STOPPED
    done = by_two(way, PPO, cut)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "Going on after update 2." in done.stdout
    assert_same_run(alone, cut, Path(models["model"]))


DEEPSPEED = {"ACCELERATE_USE_DEEPSPEED": "true"}  # as `accelerate launch --use_deepspeed` says it


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (DEEPSPEED, "DeepSpeed cuts a model among processes; launch two or more"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP cuts a model among processes; launch two or more"),
    ],
)
def test_a_launch_that_is_not_there_is_a_sentence(
    tmp_path, models, monkeypatch, capsys, environment, sentence
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert program.main([str(prepared(tmp_path / "run", models))]) == EXIT_FAILED
    [only] = capsys.readouterr().err.strip().splitlines()
    assert sentence in only


@pytest.mark.parametrize("way", ["FSDP", "DeepSpeed"])
@pytest.mark.parametrize(
    ("settings", "generator", "sentence"),
    [
        ({"tuning": "lora"}, "transformers", "are few with 'lora'"),
        ({}, "vllm", "can't take the weights of a policy that {way} cut"),
        ({"ema": 0.9}, "transformers", "ema is not there"),
        ({"batch_size": 2, "minibatch_size": 1}, "transformers", "one of 4 processes without"),
    ],
)
def test_what_does_not_go_with_a_cut_policy_is_a_sentence(
    monkeypatch, way, settings, generator, sentence
):
    monkeypatch.setenv(f"ACCELERATE_USE_{way.upper()}", "true")
    with pytest.raises(ValueError, match=sentence.format(way=way)):
        check_launch(PPOTraining(**{"tuning": "full", **settings}), generator, processes=4)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("ZERO_STAGE", "1", "zero_stage=1 is not there"),
        ("CONFIG_FILE", "ds.json", "is not read"),
        ("OFFLOAD_PARAM_DEVICE", "cpu", "--offload_param_device none"),
    ],
)
def test_what_deepspeed_is_not_asked_for_is_a_sentence(monkeypatch, variable, value, sentence):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv(f"ACCELERATE_DEEPSPEED_{variable}", value)
    with pytest.raises(ValueError, match=sentence):
        check_launch(PPOTraining(tuning="full"), "transformers", processes=2)


def test_deepspeed_that_is_not_installed_is_a_sentence(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"install requirements-deepspeed\.txt"):
        check_launch(PPOTraining(tuning="full"), "transformers", processes=2)
