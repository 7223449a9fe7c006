"""Fine-tuning on a device that is not the CPU: the losses, the weights and the run of the CPU."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from rewardmodel.learning.devices import CPU
from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_STOPPED
from rlhf.learning.sft import __main__ as program
from rlhf.learning.sft.student import Student
from rlhf.learning.sft.training import Learner, SFTTraining, train
from tests.pretend_device import device, operations_done
from tests.rlhf.learning.sft.test_program import figures, prepared, tiny, untimed
from tests.rlhf.learning.sft.test_training import DEMONSTRATIONS
from tests.stopping import stopping_after

__all__ = ["device", "tiny"]  # fixtures


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_student_learns_on_a_device_as_on_the_cpu(device, tiny, tuning, packing):
    config = SFTTraining(
        tuning=tuning, packing=packing, batch_size=8, epochs=1, evaluate_every=1, precision="fp32"
    )
    told, weights = [], []
    for place in (CPU, device):
        student = Student.load(tiny, tuning, 4, 0, packing, "fp32", place)
        assert {weight.device for weight in student.parameters()} == {place}
        learner = Learner(config, student, len(DEMONSTRATIONS))
        told.append(list(train(config, learner, DEMONSTRATIONS, DEMONSTRATIONS[:4])))
        weights.append([weight.detach().cpu() for weight in student.learning()])
    for name in ("loss", "grad_norm", "test_loss"):
        assert [line[name] for line in told[1]] == pytest.approx(
            [line[name] for line in told[0]], abs=1e-5
        )
    torch.testing.assert_close(weights[1], weights[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_run_stops_on_the_cpu_and_goes_on_on_a_device(
    device, tiny, tmp_path, monkeypatch, tuning
):
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    for folder in (whole, moved):
        folder.mkdir()
        prepared(folder, tiny, tuning=tuning)
    assert program.main([str(whole)]) == EXIT_DONE
    with stopping_after(5):
        assert program.main([str(moved)]) == EXIT_STOPPED
    before = operations_done()
    monkeypatch.setenv("TRAINING_DEVICE", str(device))
    assert program.main([str(moved)]) == EXIT_DONE

    assert operations_done() > before
    assert untimed(moved) == [pytest.approx(line, abs=1e-4) for line in untimed(whole)]
    assert figures(moved) == pytest.approx(figures(whole), abs=1e-4)
    AutoModelForCausalLM.from_pretrained(moved / "result")
