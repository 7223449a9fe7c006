"""Where the weights that learn are while several processes train them together."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rewardmodel.learning.checkpoints import load_state, save_state
from rewardmodel.learning.processes import Crew
from rewardmodel.learning.shards import in_one_piece

Item = TypeVar("Item")


class Layout:
    """All of them in every process; a subclass cuts them, and its methods say the same."""

    in_step = False  # whether each pass needs all processes, so that all have the same number

    def __init__(self, module: nn.Module, crew: Crew) -> None:
        """Lay a module out, in place, before it has an optimiser."""
        self.module = module
        self.crew = crew

    def optimizer(self, optimizer: Optimizer) -> Optimizer:
        """What takes the place of an optimiser of the module's weights."""
        return optimizer

    def __call__(self, *inputs: Any) -> Any:
        """What the module makes of the inputs, in a pass that learns."""
        return self.module(*inputs)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss, of which every process has its own share."""
        loss.backward()

    def shared_passes(self, count: int, taught: Callable[[int, float], Item]) -> list[Item]:
        """Make the passes of a step, each in one of the processes.

        Args:
            count: of the passes.
            taught: makes the pass of a number, with its loss multiplied by a weight; the weight is
                0 where a process only keeps pace with those that have more passes.

        Returns:
            What each pass told, in order, in every process.
        """

        def made(mine: list[int]) -> list[Item]:
            idle = self.idle_passes(len(mine))
            told = [taught(number, 1.0) for number in mine]
            for _ in range(idle):
                taught(0, 0.0)
            return told

        return self.crew.gather(count, 1, made)

    def idle_passes(self, own: int) -> int:
        """How many passes a process that has so many must add, to keep pace with all others.

        Asked before the first of them: within passes the processes talk of weights, and one that
        asked then would wait for ever.
        """
        return self.crew.most(own) - own if self.in_step else 0

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum what the processes added, after the last pass of a step."""
        self.crew.sum_gradients(parameters)

    def clip_gradient(self, parameters: Sequence[nn.Parameter], longest: float) -> Tensor:
        """Shorten the summed gradient to a norm; 0 leaves it. Returns the norm before."""
        if longest:
            return in_one_piece(clip_grad_norm_(parameters, longest))
        return in_one_piece(get_total_norm([p.grad for p in parameters if p.grad is not None]))

    def whole(self) -> AbstractContextManager[None]:
        """Inside the block every process has all weights, and needs no other to use the module.

        All processes enter it together. What is changed inside is lost with it where weights are
        cut.
        """
        return nullcontext()

    def save(
        self,
        folder: Path | None,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        position: dict[str, Any],
    ) -> None:
        """Write a whole checkpoint; where weights are cut, all but one process without a folder."""
        save_state(folder, self.module, optimizer, scheduler, position)

    @torch.no_grad()
    def load(
        self, folder: Path, optimizer: Optimizer, scheduler: LRScheduler | None
    ) -> dict[str, Any]:
        """Put everything back as it was saved, by whatever number of processes."""
        return load_state(folder, self.module, optimizer, scheduler)
