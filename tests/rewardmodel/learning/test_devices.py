"""Where a program computes, and that a reward model learns the same there."""

import json

import pytest
import torch

from rewardmodel.learning.__main__ import main
from rewardmodel.learning.artifact import load_scorer
from rewardmodel.learning.devices import CPU, named, own_device
from rewardmodel.learning.learner import Learner
from rewardmodel.learning.model import RewardModel, load_trunk
from rewardmodel.learning.pairs import Pair, fit
from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_STOPPED, RunDirectory
from rewardmodel.learning.settings import RewardTraining
from rewardmodel.learning.training import score, train
from tests.pretend_device import device, operations_done
from tests.rewardmodel.learning.planted import planted_rows, write_run
from tests.rlhf.learning.reward_folder import reward_folder
from tests.stopping import stopping_after

__all__ = ["device"]  # a fixture


@pytest.fixture
def two_gpus(monkeypatch) -> None:
    """A machine that says it has two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_without_a_gpu_a_process_computes_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device() == torch.device("cpu")
    assert named(own_device()) == "the CPU"


@pytest.mark.parametrize(("rank", "number"), [(None, 0), ("0", 0), ("1", 1)])
def test_each_process_of_a_machine_has_a_gpu_of_its_own(two_gpus, monkeypatch, rank, number):
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert own_device() == torch.device("cuda", number)


def test_a_person_may_choose_the_device(two_gpus, monkeypatch):
    for chosen in ("cpu", "cuda:1"):
        monkeypatch.setenv("TRAINING_DEVICE", chosen)
        assert own_device() == torch.device(chosen)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TRAINING_DEVICE", "graphics", "TRAINING_DEVICE='graphics' is no device; set it to cpu"),
        ("TRAINING_DEVICE", "cuda:2", "GPU 2, counted from 0, and 2 are here"),
        ("LOCAL_RANK", "3", "start one process for each GPU, or set TRAINING_DEVICE=cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_a_sentence(
    two_gpus, monkeypatch, variable, value, sentence
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=sentence):
        own_device()


WAYS = {
    "full": {"trainable": "full"},
    "top": {"trainable": "top", "top_layers": 1},
    "lora": {"trainable": "lora", "lora_rank": 4},
    "head": {"trainable": "head", "epochs": 3},
    "padded": {"trainable": "full", "packing": False},
    "several heads": {"trainable": "lora", "heads": 3},
    "aspects": {"trainable": "head", "epochs": 3, "aspects": {"overall": 1.0, "tone": 2.0}},
    "ties": {"trainable": "full", "loss": "davidson"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_reward_model_learns_on_a_device_as_on_the_cpu(device, tiny, chat, way):
    config = RewardTraining(precision="fp32", batch_size=8, evaluate_every=2, **WAYS[way])
    rows = [{**row, "aspects": {"tone": 0.8}, "tie": 0.1} for row in planted_rows(24)]
    examples = fit([Pair(**row) for row in rows], chat, 512).examples

    def learned(place: torch.device) -> tuple[list[dict[str, float]], Learner]:
        torch.manual_seed(0)
        model = RewardModel(
            load_trunk(tiny, config.trunk_share),
            chat.padding,
            packing=config.packing,
            heads=len(config.head_names),
        )
        learner = Learner(config, model.to(place), examples)
        assert {weight.device for weight in model.parameters()} == {place}
        return list(train(config, learner, examples, examples[:8])), learner

    (expected, usual), (found, moved) = learned(CPU), learned(device)

    assert untimed(found) == [pytest.approx(line, abs=1e-5) for line in untimed(expected)]
    torch.testing.assert_close(
        score(moved, examples, config), score(usual, examples, config), atol=1e-5, rtol=0
    )


def untimed(told: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if "second" not in name} for line in told]


def test_a_scorer_on_a_device_gives_the_scores_of_the_cpu(device, tiny, tmp_path):
    folder = reward_folder(tmp_path / "judge", tiny)
    prompts = [[{"role": "user", "content": text}] for text in ("Hello", "Rain?", "Rain?")]
    answers = ["The cat.", "Please look at the rain today.", "A warm mat."]
    moved = load_scorer(folder, device)
    assert moved.model.device == device
    assert moved.score(prompts, answers) == pytest.approx(
        load_scorer(folder).score(prompts, answers), abs=1e-5
    )


@pytest.mark.parametrize("trainable", ["head", "lora"])
def test_a_run_stops_on_a_device_and_goes_on_on_the_cpu(
    device, tiny, tmp_path, monkeypatch, trainable
):
    """With everything that is measured at the end, beside another model, and the artifact."""
    other = {"reward_model": 1, "folder": str(reward_folder(tmp_path / "other", tiny))}
    settings = {"trainable": trainable, "epochs": 2, "precision": "fp32", "beside": other}
    settings["batch_size"] = 8
    runs = [
        write_run(tmp_path / name, tiny, planted_rows(80), **settings)
        for name in ("whole", "moved")
    ]
    whole, moved = runs
    assert main(whole) == EXIT_DONE
    with stopping_after(4), monkeypatch.context() as patch:
        patch.setenv("TRAINING_DEVICE", str(device))
        before = operations_done()
        assert main(moved) == EXIT_STOPPED
        assert operations_done() > before
    assert main(moved) == EXIT_DONE

    again = write_run(tmp_path / "again", tiny, planted_rows(80), **settings)
    monkeypatch.setenv("TRAINING_DEVICE", str(device))
    assert main(again) == EXIT_DONE
    expected = json.loads((whole / "result" / "result.json").read_text())
    prompts, answers = [[{"role": "user", "content": "Rain?"}]], ["Please look at the cat."]
    for run in (moved, again):
        told = untimed(RunDirectory(run).metrics())
        assert told == [
            pytest.approx(line, abs=1e-4, nan_ok=True)
            for line in untimed(RunDirectory(whole).metrics())
        ]
        found = json.loads((run / "result" / "result.json").read_text())
        assert found["accuracy"] == expected["accuracy"]
        assert found["beside"] == expected["beside"]
        assert load_scorer(run / "result").score(prompts, answers) == pytest.approx(
            load_scorer(whole / "result").score(prompts, answers), abs=1e-3
        )
