"""Adapters: as exact as the textbook's, and really off when they are switched off."""

import pytest
import torch
from torch import nn

from rlhf.learning.adapters import adapt, freeze_layers, switched_off, weights_changed


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4, bias=False))


def moved(module: nn.Module) -> nn.Module:
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=source)
    return module


def test_an_adapter_changes_nothing_until_it_has_learned():
    states = torch.randn(3, 6)
    plain = network()
    expected = plain(states)
    adapt(plain, 2, seed=0, dtype=torch.float32)
    assert torch.allclose(plain(states), expected, atol=1e-6)


def test_value_and_gradients_are_those_of_the_sum_written_out():
    states = torch.randn(3, 6, requires_grad=True)
    adapted, plain = network(), network()
    adapt(adapted, 2, seed=0, dtype=torch.float32)
    moved(adapted)
    first, second = adapted[0], adapted[2]

    def written_out(x: torch.Tensor) -> torch.Tensor:
        x = plain[0](x) + 2.0 * (x @ first.lora_a.T) @ first.lora_b.T
        x = torch.tanh(x)
        return plain[2](x) + 2.0 * (x @ second.lora_a.T) @ second.lora_b.T

    learned = [states, first.lora_a, first.lora_b, second.lora_a, second.lora_b]
    pull = torch.randn(3, 4)
    assert torch.allclose(adapted(states), written_out(states), atol=1e-5)
    mine = torch.autograd.grad((adapted(states) * pull).sum(), learned)
    theirs = torch.autograd.grad((written_out(states) * pull).sum(), learned)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_switched_off_it_is_the_network_from_before_and_afterwards_itself_again():
    states = torch.randn(3, 6)
    adapted = network()
    expected = adapted(states)
    adapt(adapted, 2, seed=0, dtype=torch.float32)
    learned = moved(adapted)(states)
    with switched_off(adapted):
        assert torch.allclose(adapted(states), expected, atol=1e-6)
    assert torch.equal(adapted(states), learned)


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_of_the_optimiser_is_seen_at_once(fused):
    states = torch.randn(3, 6)
    adapted = network()
    adapt(adapted, 2, seed=0, dtype=torch.float32)
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=0.1, fused=fused)
    before = adapted(states)
    before.sum().backward()
    optimizer.step()
    weights_changed(adapted)
    assert not torch.allclose(adapted(states), before, atol=1e-3)


def test_only_the_thin_matrices_are_parameters():
    adapted = network()
    adapt(adapted, 2, seed=0, dtype=torch.float32)
    assert {name.rpartition(".")[2] for name, _ in adapted.named_parameters()} == {
        "lora_a",
        "lora_b",
    }


def test_frozen_layers_have_no_parameters_and_the_same_values():
    states = torch.randn(3, 6)
    plain = network()
    expected = plain(states)
    freeze_layers(plain, torch.float32)
    assert not list(plain.parameters())
    assert torch.equal(plain(states), expected)
