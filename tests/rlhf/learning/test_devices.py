"""PPO on a device that is not the CPU: placed there whole, with the CPU's numbers.

The device is a pretended one, which refuses tensors of the CPU as a GPU does.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from rewardmodel.learning.devices import CPU
from rewardmodel.learning.rundirectory import EXIT_DONE
from rlhf.learning import __main__ as program
from rlhf.learning.learner import Learner
from rlhf.learning.ppo import train
from tests.pretend_device import device, operations_done
from tests.rlhf.learning import test_processes as processes
from tests.rlhf.learning.letters import changed, letter_policy, run, untimed, world_of
from tests.rlhf.learning.reward_folder import reward_folder
from tests.rlhf.learning.test_processes import models
from tests.rlhf.learning.test_program import lines, prepared, tiny

__all__ = ["device", "models", "tiny"]  # fixtures
UPDATES = 2


def test_the_device_refuses_tensors_of_another(device):
    here, there = torch.ones(2, 2, device=device), torch.ones(2, 2)
    for mixed in (lambda: here + there, lambda: there + here, lambda: here @ there):
        with pytest.raises(RuntimeError, match="all tensors"):
            mixed()
    assert (here + torch.tensor(1.0)).tolist() == [[2, 2], [2, 2]]  # but for a lone number
    with pytest.raises(RuntimeError, match="random"):
        torch.rand(2, device=device)


WAYS = {
    "lora": {"tuning": "lora"},
    "full": {"tuning": "full"},
    "top": {"tuning": "top"},
    "separate critic": {"tuning": "full", "critic": "separate"},
}


@pytest.mark.parametrize("way", WAYS)
def test_updates_on_a_device_are_those_on_the_cpu(device, way):
    config = changed(updates=UPDATES, batch_size=8, minibatch_size=4, epochs=1, **WAYS[way])
    learners = []
    for place in (CPU, device):
        policy = letter_policy(
            config.tuning, layers=2, separate=config.critic == "separate", device=place
        )
        assert {weight.device for weight in policy.parameters()} == {place}
        learners.append(Learner(config, policy))

    expected, found = (untimed(run(config, learner=one)) for one in learners)

    for before, after in zip(expected, found, strict=True):
        assert after == pytest.approx(before, abs=1e-5, nan_ok=True)
    for one, other in zip(*(learner.policy.parameters() for learner in learners), strict=True):
        torch.testing.assert_close(one, other.cpu(), atol=1e-5, rtol=0)


def test_a_run_goes_on_on_another_device(device, tmp_path):
    """Two updates here and two there are the four of one device, either way round."""
    config = changed(updates=4, batch_size=8, minibatch_size=4, epochs=1, ema=0.5)

    def learner(place: torch.device) -> Learner:
        return Learner(config, letter_policy(device=place))

    def through(first: torch.device, then: torch.device) -> list[dict[str, float]]:
        begun, went_on = learner(first), learner(then)
        updates = train(config, begun, world_of(begun))
        told = [next(updates), next(updates)]
        folder = tmp_path / f"{first.type}-{then.type}"
        folder.mkdir()
        begun.save(folder)
        went_on.load(folder)
        assert {weight.device for weight in went_on.average} == {then}
        state = went_on.optimizer.state_dict()["state"].values()
        assert {held.device for moments in state for held in moments.values()} == {then}
        return untimed([*told, *run(config, learner=went_on)])

    whole = untimed(run(config, learner=learner(CPU)))
    for first, then in ((CPU, device), (device, CPU), (device, device)):
        assert through(first, then) == [pytest.approx(line, abs=1e-5) for line in whole]


def test_bfloat16_beside_float32_is_one_format_in_each_product(device):
    """What autocast rounds and what is kept narrow meet on the device as on the CPU."""
    config = changed(updates=1, batch_size=8, minibatch_size=4, epochs=1, tuning="lora")
    told = []
    for place in (CPU, device):
        policy = letter_policy("lora", device=place, precision="bf16")
        assert policy.dtype == torch.bfloat16
        told += untimed(run(config, learner=Learner(config, policy)))
    assert told[1]["score"] == pytest.approx(told[0]["score"], abs=0.2)
    assert told[1]["entropy"] == pytest.approx(told[0]["entropy"], abs=0.05)


@pytest.mark.parametrize("tuning", ["lora", "full", "top"])
def test_a_whole_program_runs_on_the_device_that_is_asked_for(
    device, tmp_path, tiny, monkeypatch, tuning
):
    """Scoring, sampling, measuring, a checkpoint each update, and the best policy as the result."""
    judge = reward_folder(tmp_path / "judge", tiny)
    settings = {
        "tuning": tuning,
        "top_layers": 1,
        "critic": "separate",
        "value_start": "reward_model",
        "updates": 2,
        "precision": "fp32",
        "reward_model": str(judge),
        "held_out_model": str(reward_folder(tmp_path / "other", tiny, seed=1)),
        "ema": 0.5,
    }
    found = []
    for place in ("cpu", str(device)):
        monkeypatch.setenv("TRAINING_DEVICE", place)
        folder = tmp_path / place.replace(":", "-")
        folder.mkdir()
        before = operations_done()
        assert program.main([str(prepared(folder, tiny, **settings))]) == EXIT_DONE
        assert (operations_done() > before) == (place != "cpu")
        result = json.loads((folder / "result" / "result.json").read_text())
        AutoModelForCausalLM.from_pretrained(folder / "result")
        found.append((untimed(lines(folder / "metrics.jsonl")), result))
    (metrics, figures), (moved, its_figures) = found
    assert moved == [pytest.approx(line, abs=1e-4, nan_ok=True) for line in metrics]
    assert its_figures.pop("held_out") == pytest.approx(figures.pop("held_out"), abs=1e-4)
    assert its_figures == pytest.approx(figures, abs=1e-4)


@pytest.mark.slow
def test_two_processes_on_devices_end_where_one_on_the_cpu_ends(tmp_path, models):
    """Gradients are added up on the devices, flags and figures on the CPU."""
    alone, shared = (processes.prepared(tmp_path / name, models) for name in ("alone", "shared"))
    assert program.main([str(alone)]) == EXIT_DONE
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launcher += ["-m", "tests.on_pretend_device", "rlhf.learning.__main__"]
    done = subprocess.run([*launcher, str(shared)], capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_DONE, done.stderr[-3000:]
    assert done.stdout.count("operations on pretend") == 2
    processes.assert_same_run(alone, shared, Path(models["model"]))
