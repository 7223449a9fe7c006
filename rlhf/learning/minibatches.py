"""Which answers are looked at together: for a step, and for one pass through the network."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rlhf.learning.settings import PPOTraining


def minibatches(config: PPOTraining, update: int) -> Iterator[Tensor]:
    """Row numbers, (b,), of every step of an update.

    The first pass keeps the order in which the old policy was asked; the others are shuffled.
    Answers to one prompt stay together.
    """
    rows = torch.arange(config.batch_size)
    yield from rows.split(config.minibatch_size)
    source = torch.Generator().manual_seed(config.seed * 1_000_003 + update)
    groups = rows.view(-1, config.answers_per_prompt)
    for _ in range(config.epochs - 1):
        shuffled = groups[torch.randperm(len(groups), generator=source)].flatten()
        yield from shuffled.split(config.minibatch_size)


def parts(rows: Tensor, lengths: Tensor, budget: int, together: int = 1) -> list[Tensor]:
    """Split the rows of a step into passes whose rectangles hold at most `budget` tokens.

    Args:
        rows: (b,) in the order of the step; it is kept.
        lengths: tokens of prompt and answer of every row of the batch, (B,).
        budget: tokens, padding included; a group longer than that has a pass of its own.
        together: so many rows next to each other are never split.
    """
    passes: list[list[int]] = []
    widest = 0
    for group in rows.split(together):
        width = int(lengths[group].max())
        fits = passes and max(widest, width) * (len(passes[-1]) + len(group)) <= budget
        if not fits:
            passes.append([])
            widest = 0
        passes[-1] += group.tolist()
        widest = max(widest, width)
    return [torch.tensor(one) for one in passes]
