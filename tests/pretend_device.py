"""A device written in Python, on which placement can be tested where there is no accelerator.

Its tensors say `pretend:0`, refuse whatever stands on another device, as those of a GPU do, and
compute real numbers: each operation is carried out by the CPU on the same memory. A tensor becomes
one of the other device by DLPack, with another device written into the capsule, so no number is
copied and views, gradients, optimisers and modules behave as they do anywhere.

What no test on it can show: memory of its own, kernels of its own, streams, and speed.

It is made known to PyTorch when this file is imported, which pytest does before it runs any test:
the first backward pass of a process counts the devices, and knows no later ones.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration as registration

from rewardmodel.learning.devices import CPU

NAME = "pretend"
ON_CPU, ON_EXTENSION = 1, 12  # of DLPack: kDLCPU and kDLExtDev, which PyTorch calls PrivateUse1

# Operations that carry numbers from one device to another, and those that take places from the CPU.
CARRIES = ("aten::_copy_from", "aten::_copy_from_and_resize", "aten::copy_")
FINDS = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")
# What autocast does in the narrow format; the rest computes in whatever format it is given.
NARROW = ("linear", "matmul", "mm", "bmm", "baddbmm", "addmm", "scaled_dot_product_attention")


class _Capsule(ctypes.Structure):
    """The beginning of DLPack's DLManagedTensor."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
    ]


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class _Backend(registration._DummyBackendModule):
    """`torch.pretend`: there while a test uses it, gone for others that look for accelerators."""

    there = False
    free = 2**31  # bytes of memory that it says it has left

    def is_available(self) -> bool:
        return self.there

    def device_count(self) -> int:
        return int(self.there)

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.empty(0, dtype=torch.uint8)  # nothing is drawn on it

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        pass

    def mem_get_info(self, device: object = None) -> tuple[int, int]:
        return self.free, 2 * self.free

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


_backend = _Backend()
_done = 0  # operations so far
_kernels: list[torch.library.Library] = []  # they are unregistered when nobody holds them


@contextmanager
def pretend_device() -> Iterator[torch.device]:
    """The device, inside the block."""
    # A module that is moved keeps its parameters' identity, shared ones too, on a GPU by itself.
    torch.__future__.set_swap_module_params_on_conversion(True)
    torch.Tensor.__deepcopy__ = _deepcopied
    _backend.there = True
    try:
        yield torch.device(NAME, 0)
    finally:
        _backend.there = False
        torch.Tensor.__deepcopy__ = _usually_deepcopied
        torch.__future__.set_swap_module_params_on_conversion(False)


@pytest.fixture
def device() -> Iterator[torch.device]:
    """The device, for a test."""
    with pretend_device() as one:
        yield one


def _register() -> None:
    registration._setup_privateuseone_for_python_backend(NAME, backend_module=_backend)
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(_computed, "PrivateUse1")
    under_autocast = torch.library.Library("aten", "IMPL")
    for name in NARROW:
        operation = getattr(torch.ops.aten, name)
        under_autocast.impl(name, _in_narrow_format(operation), "AutocastPrivateUse1")
    rest_of_autocast = torch.library.Library("_", "IMPL")
    rest_of_autocast.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _kernels.extend([everything, under_autocast, rest_of_autocast])


def operations_done() -> int:
    """How many operations the device has carried out in this process."""
    return _done


def _computed(operation: torch._ops.OpOverload, *given: Any, **named: Any) -> Any:
    """What any operation does on the device.

    Raises:
        RuntimeError: a tensor of another device is among what it is given, or random numbers would
            be drawn, which are others on each kind of device.
    """
    global _done
    _done += 1
    name = operation._schema.name
    if torch.Tag.nondeterministic_seeded in operation.tags:
        raise RuntimeError(f"{name} would draw random numbers on {NAME}:0; draw them on the CPU.")
    if name == "aten::_fused_sdp_choice":
        return 0  # attention by plain products: the CPU's fused one asks for CPU tensors
    seen: dict[int, tuple[Tensor, Tensor]] = {}  # ours, by the number of what stands for it
    here = [_for_cpu(name, value, seen) for value in given]
    by_name = {key: _for_cpu(name, value, seen) for key, value in named.items()}
    if name in CARRIES:
        target, source = (1, 0) if name.startswith("aten::_copy_from") else (0, 1)
        here[target].copy_(here[source])
        return given[target]
    for place, expected in enumerate(operation._schema.arguments[: len(here)]):
        if isinstance(here[place], int | float) and str(expected.type) == "Tensor":
            here[place] = torch.tensor(here[place])  # a number that came as a tensor without shape
    result = operation(*here, **by_name)
    for ours, stand_in in seen.values():
        if ours.shape != stand_in.shape:  # one for the result, which is given empty
            ours.data = relabelled(stand_in, ON_EXTENSION)
    return _from_cpu(result, seen)


def _for_cpu(name: str, value: Any, seen: dict[int, tuple[Tensor, Tensor]]) -> Any:
    if isinstance(value, list | tuple):
        if name in FINDS and any(_on_cpu(part) for part in value):
            return [part.cpu() if isinstance(part, Tensor) else part for part in value]
        if any(_on_cpu(part) for part in value):
            raise _mixed(name, CPU)
        return [_for_cpu(name, part, seen) for part in value]
    if isinstance(value, torch.device):
        return CPU
    if not isinstance(value, Tensor):
        return value
    if value.device.type == NAME:
        stand_in = _stand_in(value)
        seen[id(stand_in)] = value, stand_in
        return stand_in
    if value.ndim and name not in CARRIES:  # a number alone may come from the CPU, as for a GPU
        raise _mixed(name, value.device)
    return value


def _mixed(name: str, other: torch.device) -> RuntimeError:
    return RuntimeError(f"{name} expected all tensors on {NAME}:0, and was given one on {other}.")


def _from_cpu(value: Any, seen: dict[int, tuple[Tensor, Tensor]]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_from_cpu(part, seen) for part in value)
    if not isinstance(value, Tensor):
        return value
    if id(value) in seen:  # changed in place
        return seen[id(value)][0]
    return relabelled(value, ON_EXTENSION)


def _on_cpu(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type == "cpu"


def _stand_in(ours: Tensor) -> Tensor:
    """A CPU tensor over the same memory; an empty one has none, and may have to grow."""
    if ours.numel():
        return relabelled(ours, ON_CPU)
    return torch.empty_strided(ours.shape, ours.stride(), dtype=ours.dtype)


def relabelled(tensor: Tensor, kind: int) -> Tensor:
    """The same memory as a tensor of another device."""
    capsule = torch._C._to_dlpack(tensor)
    header = _Capsule.from_address(_pointer(capsule, b"dltensor"))
    header.device_type, header.device_id = kind, 0
    return torch._C._from_dlpack(capsule)


_usually_deepcopied = torch.Tensor.__deepcopy__


def _deepcopied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy for `copy.deepcopy`, which would allocate a storage; the device has no allocator."""
    if tensor.device.type != NAME or id(tensor) in memo:
        return _usually_deepcopied(tensor, memo)
    memo[id(tensor)] = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    return memo[id(tensor)]


def _in_narrow_format(operation: torch._ops.OpOverloadPacket) -> Callable[..., Any]:
    """An operation as autocast has it: its float32 tensors are rounded first."""
    autocast = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def rounded(value: Any) -> Any:
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            return value.to(torch.get_autocast_dtype(NAME))
        return value

    def narrow(*given: Any, **named: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(autocast):
            return operation(
                *map(rounded, given), **{key: rounded(value) for key, value in named.items()}
            )

    return narrow


_register()
