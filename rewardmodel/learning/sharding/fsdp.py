"""Weights, gradients and moments cut by PyTorch's FSDP.

While a module learns, every process keeps its part of each weight, of its gradient and of the
optimiser's moments, and the weights of one layer at a time are gathered for the pass that needs
them. Between, for sampling, measuring and writing, all weights are gathered for as long as that
takes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from rewardmodel.learning.processes import Crew
from rewardmodel.learning.sharding.layout import Layout


class Fsdp(Layout):
    """Each process has its part of every weight that learns. What does not learn stays whole."""

    in_step = True

    def __init__(
        self,
        module: nn.Module,
        crew: Crew,
        stacks: Sequence[nn.ModuleList],
        first: Callable[[], object],
    ) -> None:
        """Cut a module in place.

        Args:
            module: its weights that learn are replaced by parts.
            crew: the processes.
            stacks: layers, gathered one by one; what is outside of them is gathered together.
            first: any pass through the module, which tells FSDP what the whole is.
        """
        super().__init__(module, crew)
        # Named, or FSDP would take the GPUs of a machine whose processes compute on the CPU.
        mesh = init_device_mesh(next(module.parameters()).device.type, (crew.size,))
        for layers in stacks:
            for layer in layers:
                _cut(layer, mesh, set())
        frozen = {weight for weight in module.parameters() if not weight.requires_grad}
        _cut(module, mesh, frozen)
        assert isinstance(module, FSDPModule)
        self.root: FSDPModule = module
        with torch.no_grad():
            first()
        self.root.reset_iter_state()

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """FSDP has done so in each pass."""

    @contextmanager
    def whole(self) -> Iterator[None]:
        self.root.set_reshard_after_forward(False)
        for part in self.module.modules():
            if isinstance(part, FSDPModule):
                part.unshard()
        try:
            yield
        finally:
            self.root.set_reshard_after_forward(True)
            self.root.reset_iter_state()


def _cut(module: nn.Module, mesh: DeviceMesh, ignored: set[nn.Parameter]) -> None:
    cut = fully_shard(module, mesh=mesh, ignored_params=ignored)
    # Losses are divided by the tokens of all processes already, so gradients are summed.
    cut.set_gradient_divide_factor(1.0)
    cut.set_force_sum_reduction_for_comms(True)
