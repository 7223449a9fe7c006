"""Tensors of which every process holds a part: put together, and cut like one another.

FSDP replaces trained weights by such tensors. Everything here leaves other tensors as they are.
"""

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def in_one_piece(tensor: Tensor) -> Tensor:
    """The whole of a tensor. All processes ask for it together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_like(model: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor, which every process has, cut as another of its shape is cut."""
    if not isinstance(model, DTensor) or tensor.shape != model.shape:
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)
