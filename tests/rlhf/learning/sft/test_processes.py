"""A fine-tuning that several processes share is that of one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED
from rlhf.learning.sft import __main__ as program
from tests.launching import FSDP, WHOLE, ZERO_3, by_two
from tests.rlhf.learning.sft.test_program import figures, prepared, untimed
from tests.stopping import stopping_after
from tests.tiny_model import make_tiny_model

SFT = "rlhf.learning.sft"
# Passes of different lengths, so that the processes make different numbers of them.
SETTINGS = {"learning_rate": 1e-4, "tokens_per_pass": 64, "batch_size": 6, "packing": False}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("student"))


def both(folder: Path, tiny: Path, **settings: object) -> tuple[Path, Path]:
    """The same run twice, the first of which one process makes to its end."""
    runs = folder / "alone", folder / "shared"
    for run in runs:
        run.mkdir()
        prepared(run, tiny, **SETTINGS | settings)
    assert program.main([str(runs[0])]) == EXIT_DONE
    return runs


def assert_same_run(alone: Path, shared: Path, tiny: Path) -> None:
    for one, other in zip(untimed(alone), untimed(shared), strict=True):
        assert other == pytest.approx(one, abs=1e-5)
    assert figures(shared) == pytest.approx(figures(alone), abs=1e-5)
    first, second = (load_file(run / "result" / "model.safetensors") for run in (alone, shared))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], rtol=0, atol=1e-5), name
    parent = load_file(tiny / "model.safetensors")
    assert any((weight - parent[name]).abs().max() > 1e-4 for name, weight in first.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "tuning"),
    [(WHOLE, "lora"), (FSDP, "full"), (ZERO_3, "full")],
)
def test_two_processes_end_where_one_ends(tmp_path, tiny, way, tuning):
    alone, shared = both(tmp_path, tiny, tuning=tuning)
    done = by_two(way, SFT, shared)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "2 processes share this run." in done.stdout
    assert done.stdout.count("Step 1 of ") == 1  # one speaks for both
    assert_same_run(alone, shared, tiny)


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(tmp_path, tiny):
    alone, shared = both(tmp_path, tiny)
    with stopping_after(3):
        assert program.main([str(shared)]) == EXIT_STOPPED
    done = by_two(ZERO_3, SFT, shared)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert "Going on after step 3." in done.stdout
    assert_same_run(alone, shared, tiny)


def test_a_student_alone_is_not_cut(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert program.main([str(prepared(tmp_path, tiny))]) == EXIT_FAILED
    [only] = capsys.readouterr().err.strip().splitlines()
    assert "launch two or more" in only
