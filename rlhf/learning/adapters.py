"""Low-rank adapters that cost nothing forwards, and frozen layers in a narrow number format.

A layer with an adapter keeps its frozen weight and the sum of both in the format of the matrix
products. Forwards it multiplies with the sum, so it is as fast as a plain layer and computes what
an engine with the merged weights computes; backwards no gradient of the large weight is made.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SCALING = 2.0  # of the product of the thin matrices: alpha / rank, with alpha = 2 rank


class FrozenLinear(nn.Module):
    """A linear map that never changes, kept in the number format of the matrix products."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("base", layer.weight.detach().to(dtype), persistent=False)
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.register_buffer("bias", bias, persistent=False)
        self.base: Tensor
        self.bias: Tensor | None

    def forward(self, states: Tensor) -> Tensor:
        """(..., out) from (..., in), in the format of the products where autocast is on."""
        return self._as_asked(F.linear(states.to(self.base.dtype), self.base, self.bias), states)

    def weight_now(self) -> Tensor:
        """The weight that forward multiplies with, (out, in)."""
        return self.base

    @staticmethod
    def _as_asked(result: Tensor, states: Tensor) -> Tensor:
        narrow = torch.is_autocast_enabled(states.device.type)
        return result if narrow else result.to(states.dtype)


class AdaptedLinear(FrozenLinear):
    """A frozen linear map plus a trained product of two thin matrices.

    Source: Hu et al. 2021 (arXiv:2106.09685). The adapter changes nothing at first.
    """

    def __init__(
        self, layer: nn.Linear, dtype: torch.dtype, rank: int, source: torch.Generator
    ) -> None:
        super().__init__(layer, dtype)
        out, into = layer.weight.shape
        bound = 1 / math.sqrt(into)  # of nn.Linear, as the LoRA paper's code starts
        thin = torch.empty(rank, into).uniform_(-bound, bound, generator=source)  # on the CPU
        self.lora_a = nn.Parameter(thin.to(layer.weight.device))
        self.lora_b = nn.Parameter(torch.zeros(out, rank, device=layer.weight.device))
        self.scaling = SCALING
        self.switched_on = True
        self._merged: Tensor | None = None
        self._merged_at = (-1, -1)

    def delta(self) -> Tensor:
        """What the adapter adds to the weight, (out, in), in float32."""
        return self.scaling * (self.lora_b.detach() @ self.lora_a.detach())

    def weight_now(self) -> Tensor:
        """The weight that forward multiplies with, (out, in)."""
        if not self.switched_on:
            return self.base
        versions = (self.lora_a._version, self.lora_b._version)
        if self._merged is None or versions != self._merged_at:
            # One product in the narrow format: what it rounds is far below a step of the sum's.
            thin = self.lora_b.detach().to(self.base), self.lora_a.detach().to(self.base)
            self._merged = torch.addmm(self.base, *thin, alpha=self.scaling)
            self._merged_at = versions
        return self._merged

    def forget_sum(self) -> None:
        """Add base and adapter anew when the weight is needed next."""
        self._merged_at = (-1, -1)

    def forward(self, states: Tensor) -> Tensor:
        """(..., out) from (..., in), in the format of the products where autocast is on."""
        narrow = states.to(self.base.dtype)
        if self.switched_on and torch.is_grad_enabled():
            result = _Adapted.apply(
                narrow, self.weight_now(), self.bias, self.lora_a, self.lora_b, self.scaling
            )
        else:
            result = F.linear(narrow, self.weight_now(), self.bias)
        return self._as_asked(result, states)


class _Adapted(torch.autograd.Function):
    """A product with the merged weight whose gradient goes to the thin matrices."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        merged: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scaling: float,
    ) -> Tensor:
        ctx.save_for_backward(states, merged, a, b)
        ctx.scaling = scaling
        return F.linear(states, merged, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, merged, a, b = ctx.saved_tensors
        towards_states = gradient @ merged if ctx.needs_input_grad[0] else None
        rows = gradient.reshape(-1, gradient.shape[-1])  # (N, out)
        seen = states.reshape(-1, states.shape[-1])  # (N, in)
        narrow = states.dtype
        towards_a = (rows @ b.to(narrow)).T @ seen  # (r, in)
        towards_b = rows.T @ (seen @ a.to(narrow).T)  # (out, r)
        return (
            towards_states,
            None,
            None,
            ctx.scaling * towards_a.to(a.dtype),
            ctx.scaling * towards_b.to(b.dtype),
            None,
        )


def freeze_layers(module: nn.Module, dtype: torch.dtype) -> None:
    """Put every linear map of a module that is not trained into a narrow format, in place."""
    for parent, name, layer in _linear_maps(module):
        setattr(parent, name, FrozenLinear(layer, dtype))


def adapt(module: nn.Module, rank: int, seed: int, dtype: torch.dtype) -> None:
    """Give every linear map of a decoder an adapter, in place. The same seed gives the same."""
    source = torch.Generator().manual_seed(seed)
    for parent, name, layer in _linear_maps(module):
        setattr(parent, name, AdaptedLinear(layer, dtype, rank, source))


def weights_changed(module: nn.Module) -> None:
    """Tell adapters that an optimiser moved them: a fused step leaves no trace on its tensors."""
    for part in module.modules():
        if isinstance(part, AdaptedLinear):
            part.forget_sum()


def save_adapters(model: nn.Module, folder: Path) -> None:
    """Write all adapters of a causal language model as PEFT does, for engines that add them."""
    from peft import LoraConfig  # takes seconds to import

    adapters = {n: part for n, part in model.named_modules() if isinstance(part, AdaptedLinear)}
    weights: dict[str, Tensor] = {}
    for name, part in adapters.items():
        weights[f"base_model.model.{name}.lora_A.weight"] = part.lora_a.detach()
        weights[f"base_model.model.{name}.lora_B.weight"] = part.lora_b.detach()
    rank = len(next(iter(adapters.values())).lora_a)
    targets = sorted({name.rpartition(".")[2] for name in adapters})
    card = LoraConfig(
        r=rank, lora_alpha=int(SCALING * rank), target_modules=targets, task_type="CAUSAL_LM"
    )
    card.save_pretrained(str(folder))
    save_file(weights, folder / "adapter_model.safetensors")


@contextmanager
def switched_off(module: nn.Module) -> Iterator[None]:
    """Let the module be what it was before it got adapters."""
    adapters = [part for part in module.modules() if isinstance(part, AdaptedLinear)]
    for one in adapters:
        one.switched_on = False
    try:
        yield
    finally:
        for one in adapters:
            one.switched_on = True


def _linear_maps(module: nn.Module) -> list[tuple[nn.Module, str, nn.Linear]]:
    return [
        (parent, name, layer)
        for parent in module.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear)
    ]
