"""A learning program on a pretended device: python -m tests.on_pretend_device MODULE DIRECTORY.

Several processes may be launched so. What they add up on the device is added up by gloo on the
memory behind it; it would not take the device's tensors itself.
"""

import os
import sys
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from tests.pretend_device import NAME, ON_CPU, operations_done, pretend_device, relabelled


def main(module: str, directory: str) -> int:
    """Run the program and return its exit code; say how much of it the device did."""
    os.environ["TRAINING_DEVICE"] = NAME
    collectives = torch.library.Library("c10d", "IMPL")
    collectives.impl("allreduce_", _added_up, "PrivateUse1")
    with pretend_device():
        code = import_module(module).main([directory])
    print(f"{operations_done()} operations on {NAME}.", flush=True)
    return code


def _added_up(tensors: list[Tensor], *how: Any) -> tuple[list[Tensor], Any]:
    behind = [relabelled(tensor, ON_CPU) for tensor in tensors]
    _, work = torch.ops.c10d.allreduce_(behind, *how)
    return tensors, work


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
