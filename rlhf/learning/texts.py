"""Prompts with sampled answers, as token ids in rectangles."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Texts(NamedTuple):
    """Prompts and sampled answers as token ids. Masks are true on real tokens.

    Prompts are padded on the left and answers on the right, so that every answer begins in the
    same column. What the padding's ids are is nobody's business: only the masks are asked.
    """

    prompts: Tensor  # (B, P)
    prompt_mask: Tensor  # (B, P)
    responses: Tensor  # (B, T)
    mask: Tensor  # (B, T)
    critic_mask: Tensor  # (B, T) where the critic is asked: `mask`, or one place more in a row
    lower: Tensor | None = None  # (B, P + T, H) what frozen layers made of it, once computed

    @classmethod
    def of(
        cls,
        prompts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]],
        longest: int = 0,
    ) -> Self:
        """Pad lists of token ids of any lengths.

        Args:
            prompts: B, none empty.
            responses: B, none empty.
            longest: tokens of an answer at most. The critic is then asked once more behind each
                answer that ended before it, as in the reference implementation; 0 never.
        """
        left, left_mask = _padded([ids[::-1] for ids in prompts])
        width = max(map(len, responses))
        asked = [min(len(ids) + 1, longest) if longest else len(ids) for ids in responses]
        right, right_mask = _padded(responses, max(width, *asked))
        critic_mask = torch.arange(right.shape[1])[None] < torch.tensor(asked)[:, None]
        return cls(left.flip(1), left_mask.flip(1), right, right_mask, critic_mask)

    def rows(self, rows: Tensor | slice) -> "Texts":
        """Some of the texts, without the columns in which these have only padding."""
        prompt_mask, critic_mask = self.prompt_mask[rows], self.critic_mask[rows]
        first = int(prompt_mask.int().argmax(1).min())
        last = int(critic_mask.sum(1).max())
        width = self.prompts.shape[1]
        return Texts(
            self.prompts[rows][:, first:],
            prompt_mask[:, first:],
            self.responses[rows][:, :last],
            self.mask[rows][:, :last],
            critic_mask[:, :last],
            None if self.lower is None else self.lower[rows][:, first : width + last],
        )

    def to(self, device: torch.device) -> "Texts":
        """The same texts on a device."""
        return Texts(*(part if part is None else part.to(device) for part in self))

    @property
    def lengths(self) -> Tensor:
        """Tokens of prompt and answer together, (B,)."""
        return self.prompt_mask.sum(1) + self.critic_mask.sum(1)


def _padded(sequences: Sequence[Sequence[int]], width: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids and mask, (B, longest or width), padded on the right."""
    width = width or max(map(len, sequences))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in sequences])
    lengths = torch.tensor([len(row) for row in sequences])
    return ids, torch.arange(width)[None] < lengths[:, None]


def unpacked(values: Tensor, mask: Tensor) -> Tensor:
    """N values of the real tokens back in their places, (B, T), zero on padding."""
    empty = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
    return empty.masked_scatter(mask, values)
