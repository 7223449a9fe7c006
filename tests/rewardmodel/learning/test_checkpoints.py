import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rewardmodel.learning.checkpoints import load_state, save_state


def learner() -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    module[0].bias.requires_grad_(False)
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01, fused=True)
    return module, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)


def three_steps(module, optimizer, scheduler) -> list[float]:
    losses = []
    for _ in range(3):
        noise = torch.randn(16, 4) * np.random.rand() + random.gauss(0.0, 1.0)
        loss = module(noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def test_training_goes_on_bit_for_bit_after_loading(tmp_path: Path):
    first = learner()
    three_steps(*first)
    save_state(tmp_path, *first, {"step": 3, "skipped": 0})
    expected = three_steps(*first)

    second = learner()
    position = load_state(tmp_path, *second)

    assert position == {"step": 3, "skipped": 0}
    assert three_steps(*second) == expected


def test_only_parameters_that_are_trained_are_saved(tmp_path: Path):
    save_state(tmp_path, *learner(), {})
    from safetensors.torch import load_file

    names = set(load_file(tmp_path / "parameters.safetensors"))
    assert names == {"0.weight", "2.weight", "2.bias"}


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path):
    save_state(tmp_path, *learner(), {})
    module, optimizer, scheduler = learner()
    module[0].bias.requires_grad_(True)
    with pytest.raises(ValueError, match="another model"):
        load_state(tmp_path, module, optimizer, scheduler)


def test_nothing_saved_needs_pickle(tmp_path: Path):
    save_state(tmp_path, *learner(), {})
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}
