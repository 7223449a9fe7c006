"""Probabilities of sampled tokens: the plain formula's numbers, without its memory."""

import pytest
import torch

from rlhf.learning import output
from rlhf.learning.output import token_statistics

N, H, V = 10, 8, 50


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(output, "TOKENS_AT_ONCE", 4)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, H, generator=source).requires_grad_()
    weight = torch.randn(V, H, generator=source).requires_grad_()
    return hidden, weight, torch.randint(V, (N,), generator=source)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_value_gradient_and_entropy_are_those_of_the_plain_formula(temperature):
    hidden, weight, tokens = inputs()
    pull = torch.linspace(-1, 1, N)
    logprobs, entropy = token_statistics(hidden, weight, tokens, temperature, torch.float32)
    mine = torch.autograd.grad((logprobs * pull).sum(), (hidden, weight))

    plain = torch.log_softmax(hidden @ weight.T / temperature, -1)
    expected = plain[torch.arange(N), tokens]
    theirs = torch.autograd.grad((expected * pull).sum(), (hidden, weight), retain_graph=True)
    assert torch.allclose(logprobs, expected, atol=1e-5)
    assert torch.allclose(entropy, -(plain.exp() * plain).sum(-1), atol=1e-5)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_nothing_of_tokens_by_vocabulary_is_kept_for_the_way_back():
    """Every tensor that autograd keeps is looked at, and every one that is ever made."""
    hidden, weight, tokens = inputs()
    kept: list[torch.Size] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.shape)
        return tensor

    made = Made()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), made:
        logprobs, _ = token_statistics(hidden, weight, tokens, 1.0, torch.float32)
        logprobs.sum().backward()
    assert kept
    assert max(shape.numel() for shape in kept) <= max(N * H, V * H)
    assert made.largest <= max(4 * V, V * H)  # 4 tokens at a time, or the weight itself


def test_a_frozen_output_layer_gets_no_gradient_and_costs_no_second_product():
    hidden, weight, tokens = inputs()
    frozen = weight.detach()
    made = Made()
    with made:
        logprobs, _ = token_statistics(hidden, frozen, tokens, 1.0, torch.float32)
        forward = made.products
        logprobs.sum().backward()
    assert hidden.grad is not None
    assert made.products == forward


class Made(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts what every operation makes, forwards and backwards."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
        self.products += "mm" in str(func)
        return result
