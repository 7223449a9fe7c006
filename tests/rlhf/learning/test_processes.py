"""A training that several processes share is the training of one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from rewardmodel.learning.artifact import Card, save_artifact
from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.model import RewardModel
from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED
from rlhf.learning import __main__ as program
from tests.rlhf.learning.test_program import ROWS, lines
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
}


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


@pytest.mark.slow
def test_two_processes_end_where_one_ends(tmp_path, models):
    alone, shared = (prepared(tmp_path / name, models) for name in ("alone", "shared"))
    assert program.main([str(alone)]) == EXIT_DONE

    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "rlhf.learning", str(shared)], capture_output=True, text=True, check=False
    )
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "2 processes share this run." in done.stdout

    for one, other in zip(*(lines(d / "metrics.jsonl") for d in (alone, shared)), strict=True):
        told = {k: v for k, v in one.items() if "second" not in k}
        assert {k: other[k] for k in told} == pytest.approx(told, abs=1e-5, nan_ok=True)
    first, second = (load_file(d / "result" / "model.safetensors") for d in (alone, shared))
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], rtol=0, atol=1e-5), name
    moved = load_file(Path(models["model"]) / "model.safetensors")
    assert any((weight - moved[name]).abs().max() > 1e-4 for name, weight in first.items())
    assert done.stdout.count("Update 1 of 3") == 1  # one speaks for both
