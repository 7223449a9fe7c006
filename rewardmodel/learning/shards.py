"""Tensors of which every process holds a part: put together, and cut like one another.

FSDP replaces trained weights by such tensors. Everything here leaves other tensors as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


@dataclass(frozen=True)
class Piece:
    """A tensor of which every process holds a part, where a library has a way of its own."""

    whole: Callable[[], Tensor]  # all processes call it together


def in_one_piece(tensor: Tensor | Piece) -> Tensor:
    """The whole of a tensor. All processes ask for it together."""
    if isinstance(tensor, Piece):
        return tensor.whole()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_like(model: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor, which every process has, cut as another of its shape is cut."""
    if not isinstance(model, DTensor) or tensor.shape != model.shape:
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """All that is saved of a module, by its names; where it is cut, while it is put together.

    FSDP cuts a module again that is asked for its `state_dict`.
    """
    state = {name: weight.detach() for name, weight in module.named_parameters()}
    for path, part in module.named_modules():
        for name, buffer in part.named_buffers(recurse=False):
            if name not in part._non_persistent_buffers_set:
                state[f"{path}.{name}" if path else name] = buffer
    return state
