"""Prompts with their responses laid out as one batch for a transformer, packed or padded.

The responses to one prompt share it, so a packed batch holds the prompt once: all groups stand one
after another in a single row, and attention is computed group by group. A token sees the prompt and
the earlier tokens of its own response; every response starts at the position after the prompt.
The scores are those of the padded batch, in which every response is a row with its own copy of the
prompt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface

PACKED_ATTENTION = "accord_packed"


@dataclass(frozen=True)
class Group:
    """One prompt and the responses that share it, in tokens."""

    prompt: list[int]
    responses: list[list[int]]

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(len(response) for response in self.responses)


@dataclass(frozen=True)
class Batch:
    """What the trunk reads, and where the scores stand in what it writes.

    A packed batch has blocks and no attention mask, a padded one the reverse.
    """

    token_ids: Tensor  # (R, T)
    positions: Tensor  # (R, T)
    rows: Tensor  # (S,) row of the last token of each response
    columns: Tensor  # (S,) and its column
    attention_mask: Tensor | None = None  # (R, T) 1 on real tokens
    blocks: "list[Block] | None" = None


@dataclass(frozen=True)
class Block:
    """Tokens from `start` to `stop` of a packed row see each other where the mask is true."""

    start: int
    stop: int
    mask: Tensor  # (stop - start, stop - start), row sees column


def pack(groups: Sequence[Group], device: torch.device) -> Batch:
    """All groups in one row, each prompt once.

    Args:
        groups: responses to one prompt each; no prompt and no response is empty.

    Returns:
        A batch of one row whose S scores are in the order of the responses.
    """
    tokens: list[int] = []
    positions: list[int] = []
    last: list[int] = []
    blocks = []
    for group in groups:
        start = len(tokens)
        tokens += group.prompt
        positions += range(len(group.prompt))
        for response in group.responses:
            tokens += response
            positions += range(len(group.prompt), len(group.prompt) + len(response))
            last.append(len(tokens) - 1)
        blocks.append(Block(start, len(tokens), visible(group).to(device)))
    return Batch(
        token_ids=torch.tensor([tokens], device=device),
        positions=torch.tensor([positions], device=device),
        rows=torch.zeros(len(last), dtype=torch.long, device=device),
        columns=torch.tensor(last, device=device),
        blocks=blocks,
    )


def visible(group: Group) -> Tensor:
    """Which token (row) sees which (column) when a prompt and its responses stand in one line.

    Returns:
        Booleans, (L, L): a token sees itself, what came before it in its own response, and the
        prompt; never another response.
    """
    lengths = torch.tensor([len(group.prompt), *map(len, group.responses)])
    part = torch.repeat_interleave(torch.arange(len(lengths)), lengths)  # (L,) 0 is the prompt
    same = (part[:, None] == part[None, :]) | (part[None, :] == 0)
    return same.tril()


def pad(groups: Sequence[Group], padding: int, device: torch.device) -> Batch:
    """One row per response with its own copy of the prompt, padded on the right.

    Args:
        groups: as for `pack`; the scores come in the same order.
        padding: token number to fill with; no real token sees it.
    """
    rows = [group.prompt + response for group in groups for response in group.responses]
    width = max(len(row) for row in rows)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    columns = torch.arange(width, device=device)
    filled = [row + [padding] * (width - len(row)) for row in rows]
    return Batch(
        token_ids=torch.tensor(filled, device=device),
        positions=columns.expand(len(rows), width),
        rows=torch.arange(len(rows), device=device),
        columns=lengths - 1,
        attention_mask=(columns < lengths[:, None]).long(),
    )


def passes(groups: Sequence[Group], budget: int) -> list[list[int]]:
    """Split groups into passes of at most `budget` tokens each, long ones together.

    Args:
        groups: one or more.
        budget: tokens; a group longer than that has a pass of its own.

    Returns:
        Numbers of the groups, each once.
    """
    order = sorted(range(len(groups)), key=lambda number: groups[number].length, reverse=True)
    split: list[list[int]] = []
    room = 0
    for number in order:
        if not split or groups[number].length > room:
            split.append([])
            room = budget
        split[-1].append(number)
        room -= groups[number].length
    return split


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    blocks: list[Block],
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attention inside each block of a packed row, in the form transformers asks for.

    There is no dropout: a reward model has none.

    Args:
        query: (1, heads, T, d).
        key, value: (1, key heads, T, d).
        blocks: cover the row in order and without overlap.
        scaling: of the products, 1/sqrt(d) when None.

    Returns:
        (1, T, heads, d).
    """
    lengths = [block.stop - block.start for block in blocks]
    # split, not slices: the gradient of a slice is a row of zeros as long as the whole row
    parts = zip(
        query.to(value.dtype).split(lengths, dim=2),
        key.to(value.dtype).split(lengths, dim=2),
        value.split(lengths, dim=2),
        blocks,
        strict=True,
    )
    scaling = scaling or 1 / math.sqrt(query.shape[-1])
    attend = _attention_by_products if query.device.type == "cpu" else _fused_attention
    with torch.autocast(query.device.type, enabled=False):
        seen = [attend(q, k, v, block.mask, scaling) for q, k, v, block in parts]
    return torch.cat(seen, dim=2).transpose(1, 2), None


def _fused_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float
) -> Tensor:
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
    )


def _attention_by_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float
) -> Tensor:
    """The same with plain matrix products: 2.5 times as fast on a CPU at these short lengths.

    Query heads that share a key head are rows of one product, so keys are not repeated.
    """
    _, heads, length, width = query.shape
    groups = key.shape[1]
    rows = query.reshape(groups, heads // groups * length, width)
    unseen = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
    bias = unseen.repeat(heads // groups, 1).expand(groups, -1, -1)
    products = torch.baddbmm(bias, rows, key[0].transpose(1, 2), alpha=scaling)
    return torch.bmm(F.softmax(products, dim=-1), value[0]).view(1, heads, length, width)


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
