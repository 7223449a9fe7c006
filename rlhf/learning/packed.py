"""Prompts and answers in one row without padding, and what all of them begin with only once.

A chat template begins every prompt with the same words. Their hidden states are the same in every
text, and so is the sum of the gradients that come back to them, so one copy serves all: results are
those of a padded rectangle, with a third less to compute at the lengths of a small run.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel

from rewardmodel.learning.devices import CPU
from rlhf.learning.texts import Texts

PACKED = "accord_packed_texts"


@dataclass(frozen=True)
class PackedRow:
    """Where B texts stand in a row of N tokens: their common start, then what is each one's own."""

    token_ids: Tensor  # (1, N)
    positions: Tensor  # (1, N)
    start: int  # tokens that all begin with; may be none
    own: Tensor  # (B, L) places in the row of each text's own tokens; the last one on padding
    real: Tensor  # (B, L) false on padding
    before: Tensor  # (B, T) places in the row from which each token of the answers is foreseen

    @classmethod
    def of(cls, texts: Texts, device: torch.device = CPU) -> "PackedRow":
        """Lay out prompts with their answers, as far as anything is asked of them.

        Args:
            texts: on the CPU, where their numbers are looked at one by one.
            device: of the row.
        """
        prompts = [
            ids[mask].tolist() for ids, mask in zip(texts.prompts, texts.prompt_mask, strict=True)
        ]
        asked = texts.critic_mask.sum(1).tolist()  # the last token asked for is only foreseen
        answers = [ids[: n - 1].tolist() for ids, n in zip(texts.responses, asked, strict=True)]
        # Each keeps its last token, from which its answer begins.
        alike = takewhile(
            lambda here: len(set(here)) == 1, zip(*(p[:-1] for p in prompts), strict=False)
        )
        start = len(list(alike))
        parts = [(p + a)[start:] for p, a in zip(prompts, answers, strict=True)]
        lengths = torch.tensor([len(part) for part in parts], device=device)
        first = start + lengths.cumsum(0) - lengths  # (B,) places of the first own tokens
        last = (first + lengths - 1)[:, None]
        column = torch.arange(max(map(len, parts)), device=device)
        drawn_from = first + torch.tensor([len(p) - 1 - start for p in prompts], device=device)
        answered = torch.arange(texts.responses.shape[1], device=device)
        positions = [*range(start), *(start + n for part in parts for n in range(len(part)))]
        token_ids = [*prompts[0][:start], *(token for part in parts for token in part)]
        return cls(
            token_ids=torch.tensor([token_ids], device=device),
            positions=torch.tensor([positions], device=device),
            start=start,
            own=(first[:, None] + column).minimum(last),
            real=column < lengths[:, None],
            before=(drawn_from[:, None] + answered).minimum(last),
        )


def states_before(decoder: PreTrainedModel, texts: Texts) -> Tensor:
    """The last hidden state from which each token of the answers was drawn, (B, T, H).

    What stands on padding is some state of the same text.
    """
    row = PackedRow.of(texts, decoder.device)
    with _attending(decoder):
        output = decoder(
            input_ids=row.token_ids,
            position_ids=row.positions,
            use_cache=False,
            row=row,
        )
    hidden = output.last_hidden_state[0]
    return hidden[row.before.flatten()].view(*row.before.shape, -1)


@torch.no_grad()
def can_be_packed(decoder: PreTrainedModel) -> bool:
    """Whether a decoder computes the same from a packed row as from texts one by one.

    Not those that see only the last tokens of a text, or whose attention does more than others'.
    """
    if getattr(decoder.config, "sliding_window", None):
        return False
    ids = torch.arange(12).view(2, 6) % decoder.config.vocab_size
    ids[:, :2] = 0  # a common start
    whole = decoder(input_ids=ids.to(decoder.device), use_cache=False).last_hidden_state[:, 2:5]
    texts = Texts.of(ids[:, :3].tolist(), ids[:, 3:].tolist())
    try:
        packed = states_before(decoder, texts)
    except (TypeError, RuntimeError, ValueError):  # it does not know this kind of attention
        return False
    return torch.allclose(whole, packed, atol=1e-4)


@contextmanager
def _attending(decoder: PreTrainedModel) -> Iterator[None]:
    """Let a decoder attend as a packed row needs it."""
    config = decoder.config
    usual = config._attn_implementation
    config._attn_implementation = PACKED
    try:
        yield
    finally:
        config._attn_implementation = usual


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    row: PackedRow,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attention of every text to the common start and to itself, as transformers asks for it.

    There is no dropout: a policy in training has none here.

    Args:
        query: (1, heads, N, d).
        key, value: (1, key heads, N, d).
        row: where the texts stand in it.
        scaling: of the products, 1/sqrt(d) when None.

    Returns:
        (1, N, heads, d).
    """
    scaling = scaling or 1 / math.sqrt(query.shape[-1])
    rows = [part[0].transpose(0, 1).to(value.dtype) for part in (query, key, value)]  # (N, ., d)
    first = [part[: row.start].transpose(0, 1)[None] for part in rows]  # (1, ., start, d)
    own, *others = [_rectangle(part, row.own) for part in rows]  # (B, ., L, d)
    seen = [
        torch.cat([start.expand(len(own), -1, -1, -1), its], dim=2)
        for start, its in zip(first[1:], others, strict=True)
    ]
    attend: Callable[..., Tensor] = _by_products if query.device.type == "cpu" else _fused
    with torch.autocast(query.device.type, enabled=False):
        result = attend(own, *seen, scaling).transpose(1, 2)[row.real]  # (N - start, ., d)
        if row.start:
            result = torch.cat([attend(*first, scaling)[0].transpose(0, 1), result])
    return result[None], None


def _rectangle(part: Tensor, places: Tensor) -> Tensor:
    """Rows of (N, heads, d) at some places, (B, heads, L, d)."""
    chosen = part.index_select(0, places.flatten())
    return chosen.view(*places.shape, *part.shape[1:]).transpose(1, 2)


def _sees(length: int, width: int, device: torch.device) -> Tensor:
    """Which of `width` keys each of the last `length` of them sees: itself and those before it."""
    return torch.ones(length, width, dtype=torch.bool, device=device).tril(width - length)


def _fused(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    mask = _sees(query.shape[2], key.shape[2], query.device)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
    )


def _by_products(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """The same with plain matrix products, whose backward pass is four times as fast on a CPU.

    Query heads that share a key head are rows of one product, so keys are not repeated.
    """
    count, heads, length, size = query.shape
    groups, width = key.shape[1], key.shape[2]
    rows = (query * scaling).reshape(count * groups, -1, size)
    products = rows @ key.reshape(count * groups, width, size).transpose(1, 2)
    unseen = ~_sees(length, width, query.device)
    bias = torch.zeros_like(unseen, dtype=query.dtype).masked_fill_(unseen, -torch.inf)
    shares = F.softmax(products.view(count, heads, length, width).add_(bias), dim=-1)
    result = shares.view(*products.shape) @ value.reshape(count * groups, width, size)
    return result.view(count, heads, length, size)


AttentionInterface.register(PACKED, packed_attention)
