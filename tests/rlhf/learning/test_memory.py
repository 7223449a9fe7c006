"""What a run will take is known before anything is loaded."""

import json
import shutil
from dataclasses import replace

import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM

from rewardmodel.learning.rundirectory import EXIT_DONE, EXIT_FAILED
from rlhf.learning import __main__ as program
from rlhf.learning.memory import GIB, Size, check_memory, estimate, free_memory
from rlhf.learning.settings import PPOTraining
from tests.pretend_device import device
from tests.rlhf.learning.test_program import directory, prepared, tiny

__all__ = ["device", "directory", "tiny"]  # fixtures

SMOLLM2 = Size(28_311_552, 106_204_608, 30, 576, 1536, 49152, cached=2 * 30 * 3 * 64)
DEFAULT = PPOTraining()


def taken(config=DEFAULT, size=SMOLLM2, longest=304, vllm=True, **cut):
    return estimate(size, size, config, longest, vllm=vllm, **cut)


def total(config=DEFAULT, **more):
    return sum(taken(config, **more).values())


def test_weights_are_counted_as_they_are(tiny):
    model = AutoModelForCausalLM.from_pretrained(tiny)
    size = Size.of(tiny)
    assert size.all == sum(p.numel() for p in model.parameters())
    assert (size.depth, size.hidden, size.vocabulary) == (2, 64, model.config.vocab_size)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"tuning": "lora"}, {"tuning": "full"}),
        ({"tuning": "top"}, {"tuning": "full"}),
        ({"tokens_per_pass": 512}, {"tokens_per_pass": 2048}),
        ({"minibatch_size": 2}, {"minibatch_size": 8}),
        ({"critic": "shared"}, {"critic": "separate"}),
        ({"tuning": "full"}, {"tuning": "full", "ema": 0.99}),
    ],
)
def test_what_takes_more_is_estimated_higher(less, more):
    assert total(PPOTraining(**less)) < total(PPOTraining(**more))


def test_longer_texts_larger_models_and_an_engine_take_more():
    assert total(longest=100) < total(longest=300)
    assert total() < total(size=replace(SMOLLM2, layers=10**9))
    assert total(vllm=False) < total()


def test_full_tuning_with_two_networks_takes_what_its_weights_take():
    """16 bytes a trained weight, twice, and 4 for the reference: nothing of that can be missing."""
    config = PPOTraining(tuning="full", critic="separate")
    parts = taken(config)
    assert parts["policy"] + parts["critic"] > 36 * SMOLLM2.all


def test_a_policy_cut_among_processes_takes_less_in_each_but_is_put_together_between():
    config = PPOTraining(tuning="full")
    saved = total(config, vllm=False) - total(config, vllm=False, pieces=4)
    assert saved == pytest.approx((16 - 16 / 4 - 4) * SMOLLM2.all)
    twice = total(config, vllm=False) - total(config, vllm=False, pieces=4, stepped_apart=True)
    assert twice == pytest.approx((16 - 20 / 4 - 4) * SMOLLM2.all)


@pytest.mark.parametrize(
    ("settings", "size", "advice"),
    [
        ({"tuning": "full", "tokens_per_pass": 64}, SMOLLM2, "set tuning to lora"),
        ({"minibatch_size": 64, "tokens_per_pass": 65536}, SMOLLM2, "set tokens_per_pass below"),
        ({"critic": "separate", "tokens_per_pass": 64}, SMOLLM2, "set critic to shared"),
        ({"tokens_per_pass": 64}, replace(SMOLLM2, layers=1000), "set generator to transformers"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_advice_for_what_takes_most(
    settings, size, advice, monkeypatch
):
    monkeypatch.setattr(Size, "of", classmethod(lambda cls, folder: size))
    config = PPOTraining(**settings)
    with pytest.raises(ValueError, match=advice) as refusal:
        check_memory("a", "b", config, 304, 0.1 * GIB, vllm=True)
    assert "0.1 are free" in str(refusal.value)
    needed = check_memory("a", "b", config, 304, 1e15, vllm=True)
    assert f"{needed / GIB:.1f} GiB" in str(refusal.value)


def test_a_run_that_does_not_fit_ends_before_a_model_is_loaded(
    directory, tiny, monkeypatch, capsys
):
    prepared(directory, tiny, memory_gib=0.01)
    monkeypatch.setattr(program, "policy_for", None)  # calling it would be a traceback
    assert program.main([str(directory)]) == EXIT_FAILED
    [sentence] = capsys.readouterr().err.strip().splitlines()
    assert "0.0 are free" in sentence
    assert not (directory / "metrics.jsonl").exists()


def test_a_run_that_fits_says_what_it_takes(directory, capsys):
    assert program.main([str(directory)]) == 0
    assert "GiB of memory" in capsys.readouterr().out
    assert json.loads((directory / "result" / "result.json").read_text())["updates"] == 4


def test_what_is_free_is_part_of_what_there_is():
    assert 0 < free_memory() <= psutil.virtual_memory().total


def test_a_run_on_a_device_is_measured_by_the_memory_of_the_device(
    device, directory, tiny, monkeypatch, capsys
):
    monkeypatch.setenv("TRAINING_DEVICE", str(device))
    assert free_memory(device) == 2 * GIB
    assert program.main([str(directory)]) == EXIT_DONE
    assert "GiB of memory on pretend:0; 2.0 may be taken" in capsys.readouterr().out

    shutil.rmtree(directory / "result")
    monkeypatch.setattr(torch.pretend, "free", GIB // 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # each process has a device of its own
    assert program.main([str(directory)]) == EXIT_FAILED
    assert "GiB of memory on pretend:0 and 0.2 are free" in capsys.readouterr().err
