"""A critic with a network of its own: what the reward model becomes when it must foresee."""

import copy
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlhf.learning.packed import can_be_packed, states_before
from rlhf.learning.texts import Texts


class Critic(nn.Module):
    """A transformer that tells, before each token of an answer, the score it expects."""

    def __init__(self, trunk: PreTrainedModel, head: nn.Linear) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(True)
        self.head = head.requires_grad_(True)
        trunk.set_attn_implementation("sdpa")  # a reward model may read packed rows
        self.packs = can_be_packed(trunk)

    @classmethod
    def new(cls, model: PreTrainedModel) -> Self:
        """A copy of the policy's trunk that expects nothing yet."""
        return cls(copy.deepcopy(model.get_decoder()), zero_head(model.config.hidden_size))

    @classmethod
    def of_reward_model(cls, folder: Path) -> Self:
        """The reward model itself: it expects of half an answer what it would give for it.

        Its standardisation and normalisation are folded into the head, so that values are in units
        of the normalised score.

        Raises:
            ValueError: the folder holds no reward model.
        """
        from rewardmodel.learning.artifact import load_scorer

        scorer = load_scorer(folder)
        judge, card = scorer.model, scorer.card
        means = torch.tensor(card.head_means or [card.mean])
        weight = (judge.head.weight * judge.scale).mean(0)  # (h,)
        bias = judge.head.bias.mean() - weight @ judge.shift - means.mean()
        head = zero_head(len(weight))
        with torch.no_grad():
            head.weight.copy_(weight[None] / card.std)
            head.bias.fill_(bias / card.std)
        return cls(judge.trunk, head)

    def forward(self, texts: Texts) -> Tensor:
        """Values before each token, (B, T), zero where the critic is not asked.

        They are on the critic's device, wherever the texts are.
        """
        asked = texts.critic_mask.to(self.trunk.device)
        if self.packs:
            return self.value(states_before(self.trunk, texts)) * asked
        texts = texts.to(self.trunk.device)
        mask = torch.cat([texts.prompt_mask, texts.mask], dim=1).long()
        output = self.trunk(
            input_ids=torch.cat([texts.prompts, texts.responses], dim=1),
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
        )
        hidden = output.last_hidden_state[:, texts.prompts.shape[1] - 1 : -1]  # (B, T, H)
        return self.value(hidden) * asked

    def value(self, hidden: Tensor) -> Tensor:
        """(...) from (..., H), in float32."""
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden.float()).squeeze(-1)


def zero_head(size: int) -> nn.Linear:
    """A head that expects nothing, whatever it sees."""
    head = nn.Linear(size, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
