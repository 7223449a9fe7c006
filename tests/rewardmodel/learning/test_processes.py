"""A reward model that is cut among processes is that of one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rewardmodel.learning.__main__ import check_launch, main
from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_STOPPED
from rewardmodel.learning.settings import RewardTraining
from tests.launching import FSDP, ZERO_3, by_two
from tests.rewardmodel.learning.planted import planted_rows, write_run
from tests.rewardmodel.learning.test_program import curve, figures
from tests.stopping import stopping_after

REWARD = "rewardmodel.learning"
SETTINGS = {
    "trainable": "full",
    "batch_size": 16,
    "learning_rate": 1e-4,
    "epochs": 1,
    "evaluate_every": 3,
    "checkpoint_every": 2,
    "precision": "fp32",
    "tokens_per_pass": 64,  # so little that the processes make different numbers of passes
}


def both(folder: Path, tiny: Path) -> tuple[Path, Path]:
    """The same run twice, the first of which one process makes to its end."""
    alone, shared = (
        write_run(folder / name, tiny, planted_rows(120), **SETTINGS)
        for name in ("alone", "shared")
    )
    assert main(alone) == EXIT_DONE
    return alone, shared


def assert_same_run(alone: Path, shared: Path) -> None:
    assert len(curve(alone)) == len(curve(shared)) == 6
    for one, two in zip(curve(alone), curve(shared), strict=True):
        assert two == pytest.approx(one, abs=1e-5)
    assert figures(shared)["accuracy"] == pytest.approx(figures(alone)["accuracy"])
    for file in ("model.safetensors", "head.safetensors"):
        first, second = (load_file(run / "result" / file) for run in (alone, shared))
        assert first.keys() == second.keys()
        for name, weight in first.items():
            assert torch.allclose(weight, second[name], rtol=0, atol=1e-5), name


@pytest.mark.slow
@pytest.mark.parametrize("way", [FSDP, ZERO_3])
def test_a_model_cut_among_two_processes_ends_where_a_whole_one_ends(tmp_path, tiny, way):
    alone, shared = both(tmp_path, tiny)
    done = by_two(way, REWARD, shared)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "2 processes share this run." in done.stdout
    assert_same_run(alone, shared)


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(tmp_path, tiny):
    alone, shared = both(tmp_path, tiny)
    with stopping_after(3):
        assert main(shared) == EXIT_STOPPED
    done = by_two(FSDP, REWARD, shared)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "from step 4." in done.stdout
    assert_same_run(alone, shared)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trainable": "lora"}, "are few with 'lora'"),
        ({"trainable": "full", "loss": "davidson"}, "can't cut the one number"),
    ],
)
def test_what_does_not_go_with_a_cut_model_is_a_sentence(monkeypatch, settings, sentence):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match=sentence):
        check_launch(RewardTraining(**settings), processes=2)
