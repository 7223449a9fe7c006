"""The layout that a launcher was asked for."""

from collections.abc import Callable, Sequence

from torch import nn

from rewardmodel.learning.processes import Crew
from rewardmodel.learning.sharding.launch import wanted
from rewardmodel.learning.sharding.layout import Layout


def laid_out(
    module: nn.Module,
    crew: Crew,
    decoders: Sequence[nn.Module],
    first: Callable[[], object],
) -> Layout:
    """Lay a module out among processes, in place; it has no optimiser yet.

    Args:
        module: what does not learn of it stays whole everywhere.
        crew: the processes.
        decoders: its transformers, whose layers FSDP puts together one by one.
        first: any pass through the module.
    """
    way = wanted()
    if way == "FSDP":
        from rewardmodel.learning.sharding.fsdp import Fsdp

        stacks = [each.layers for each in decoders if isinstance(each.layers, nn.ModuleList)]
        return Fsdp(module, crew, stacks, first)
    if way == "DeepSpeed":
        from rewardmodel.learning.sharding.zero import Zero

        return Zero(module, crew)
    return Layout(module, crew)
