"""One training shared by several processes, each with its part of the answers.

Every process holds the whole policy and knows the whole rollout, whose tensors without vocabulary
are small. The work is shared: sampling, scoring and the passes through the networks. Losses are
sums over a process's own tokens divided by the step's tokens everywhere, so that summed gradients
are those of one process, whatever the lengths. What is measured and written is the first one's.
"""

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

import torch
from torch import Tensor, distributed, nn

from rewardmodel.learning.devices import own_device
from rewardmodel.learning.program import run_to_end, say
from rewardmodel.learning.rundirectory import RunDirectory

Item = TypeVar("Item")
PATIENCE = timedelta(hours=2)  # the first process alone may measure and save for so long


class Crew(Protocol):
    """The processes of one training, seen from one of them."""

    rank: int
    size: int

    def share(self, rows: Tensor, together: int = 1) -> Tensor:
        """The rows of this process; so many next to each other stay together."""
        ...

    def gather(
        self, count: int, together: int, made: Callable[[list[int]], list[Item]]
    ) -> list[Item]:
        """`count` items in order, each made by the process whose share its number is in."""
        ...

    def total(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Sums over all processes."""
        ...

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sum of all gradients."""
        ...

    def most(self, number: int) -> int:
        """The largest of the numbers that the processes have."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether the flag is raised anywhere."""
        ...

    def told(self, item: Item) -> Item:
        """What the first process has, for all."""
        ...


class Alone:
    """The only process there is."""

    rank = 0
    size = 1

    def share(self, rows: Tensor, together: int = 1) -> Tensor:
        return rows

    def gather(
        self, count: int, together: int, made: Callable[[list[int]], list[Item]]
    ) -> list[Item]:
        return made(list(range(count)))

    def total(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """They are all here."""

    def most(self, number: int) -> int:
        return number

    def any(self, flag: bool) -> bool:
        return flag

    def told(self, item: Item) -> Item:
        return item


def end_group() -> None:
    """End the group in order: its threads may abort a process that has done all and just ends."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this program with an exit code.

    One of several processes skips what C++ does after Python's end: groups that DeepSpeed made have
    threads that now and then abort a process there, when all is written.
    """
    if not distributed.is_initialized():
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def join(device: torch.device) -> None:
    """Become one of the launcher's processes: gloo adds up on the CPU, NCCL between GPUs.

    Small things (figures of answers, flags, texts) are on the CPU everywhere, gradients on the
    device.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL wants to know before the first word
        distributed.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        distributed.init_process_group("gloo", timeout=PATIENCE)


class Together:
    """One of several processes that `accelerate launch` or `torchrun` started."""

    def __init__(self) -> None:
        if not distributed.is_initialized():
            join(own_device())
            atexit.register(end_group)
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    def share(self, rows: Tensor, together: int = 1) -> Tensor:
        return rows.view(-1, together)[self.rank :: self.size].flatten()

    def gather(
        self, count: int, together: int, made: Callable[[list[int]], list[Item]]
    ) -> list[Item]:
        mine = self.share(torch.arange(count), together).tolist()
        shares: list[dict[int, Item] | None] = [None] * self.size
        distributed.all_gather_object(shares, dict(zip(mine, made(mine), strict=True)))
        items = {number: item for share in shares if share for number, item in share.items()}
        return [items[number] for number in range(count)]

    def total(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        for tensor in tensors:
            distributed.all_reduce(tensor)
        return tensors

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        for parameter in parameters:
            if parameter.grad is None:  # this process had no row in the step
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)

    def most(self, number: int) -> int:
        largest = torch.tensor(number)
        distributed.all_reduce(largest, distributed.ReduceOp.MAX)
        return int(largest)

    def any(self, flag: bool) -> bool:
        return bool(self.total(torch.tensor(float(flag)))[0] > 0)

    def told(self, item: Item) -> Item:
        items = [item]
        distributed.broadcast_object_list(items, src=0)
        return items[0]


ALONE = Alone()


def crew() -> Crew:
    """The processes of this training: as many as the launcher started.

    Raises:
        SystemExit: there is no device for this process; a sentence says what to do.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    try:
        together = Together()
    except ValueError as refusal:
        raise SystemExit(str(refusal)) from None
    if together.rank == 0:
        say(f"{together.size} processes share this run.")
    return together


def run_together(directory: Path, run: Callable[[RunDirectory, Crew], None]) -> int:
    """Run a training in a directory by all processes of this launch; returns the exit code."""
    together = crew()
    return run_to_end(
        RunDirectory(directory), lambda its: run(its, together), writes=together.rank == 0
    )
