"""A scalar model of human preference: a transformer that ends in one number."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from rewardmodel.learning.batches import PACKED_ATTENTION, Batch, Group, pack, pad

TRAINABLE = ("full", "top", "lora", "head")


class RewardModel(nn.Module):
    """A trunk that reads a conversation, and heads that score it at its last token."""

    def __init__(
        self, trunk: PreTrainedModel, padding: int, *, packing: bool = True, heads: int = 1
    ) -> None:
        """Put new heads on a trunk.

        Args:
            trunk: a decoder without language model head; dropout is switched off.
            padding: token number used when batches are padded.
            packing: compute a prompt once for all its responses. Same scores, less work.
            heads: how many, each begun elsewhere; the score is their mean, see `combine`.
        """
        super().__init__()
        self.trunk = trunk
        self.padding = padding
        self.packing = packing
        self.head = nn.Linear(trunk.config.hidden_size, heads)
        self.register_buffer("shift", torch.zeros(trunk.config.hidden_size))
        self.register_buffer("scale", torch.ones(trunk.config.hidden_size))
        # of a loss with ties: see losses.TIE_LOSSES; learns only where the run has such a loss
        self.tie = nn.Parameter(torch.zeros(()), requires_grad=False)
        # how the score is put together from the heads: their mean, unless they judge aspects
        self.register_buffer("shares", torch.full((heads,), 1 / heads))
        initialise(self.head)
        trunk.set_attn_implementation(PACKED_ATTENTION if packing else "sdpa")
        for module in trunk.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        trunk.config.attention_dropout = 0.0

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def batch(self, groups: list[Group]) -> Batch:
        """Lay groups out the way this model reads them."""
        if self.packing:
            return pack(groups, self.device)
        return pad(groups, self.padding, self.device)

    def merge(self) -> None:
        """Fold what LoRA learned into the weights of the trunk; nothing to do otherwise."""
        if isinstance(self.trunk, PeftModel):
            self.trunk = self.trunk.merge_and_unload()

    def forward(self, batch: Batch, places: Tensor) -> Tensor:
        """What each head says, (..., k), of those of the responses that stand in places, (...)."""
        return self.opinions(self.features(batch)[places])

    def features(self, batch: Batch) -> Tensor:
        """What the trunk makes of each response, read at its last token, (S, h), in float32."""
        layout = {} if batch.blocks is None else {"blocks": batch.blocks}
        hidden = self.trunk(
            input_ids=batch.token_ids,
            position_ids=batch.positions,
            attention_mask=batch.attention_mask,
            use_cache=False,
            **layout,
        ).last_hidden_state  # (R, T, h)
        return hidden[batch.rows, batch.columns].float()

    def judge(self, features: Tensor) -> Tensor:
        """Scores, (...), from what the trunk made of responses, (..., h)."""
        return self.combined(self.opinions(features))

    def combined(self, opinions: Tensor) -> Tensor:
        """Scores, (...), from what each head says, (..., k)."""
        return (opinions * self.shares.to(opinions.device)).sum(-1)

    def combine(self, weights: Sequence[float]) -> None:
        """Weigh the heads; the weights of all of them become 1 together."""
        shares = torch.tensor(list(weights), device=self.device)
        self.shares.copy_(shares / shares.sum())

    def opinions(self, features: Tensor) -> Tensor:
        """The score of each head, (..., k), from what the trunk made of responses, (..., h)."""
        with torch.autocast(features.device.type, enabled=False):
            return self.head((features - self.shift) * self.scale)

    def standardise(self, features: Tensor) -> None:
        """Make the head see mean 0 and spread 1 in each feature of these responses, (S, h).

        The spread of a transformer's features differs by powers of ten; a head that sees them raw
        learns mostly from the widest few.
        """
        self.shift.copy_(features.mean(0))
        self.scale.copy_(1 / features.std(0).clamp(min=1e-6))


def initialise(head: nn.Linear) -> None:
    """Weights from N(0, 1/sqrt(h+1)), bias 0: scores start with a spread near one.

    Source: Stiennon et al. 2020 as implemented by summarize_from_feedback_details, reward.py.
    """
    nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1))
    nn.init.zeros_(head.bias)


def model_folder(path: str | Path) -> Path:
    """The folder of a saved model.

    Raises:
        ValueError: there is none. (transformers would look for it on the internet.)
    """
    if not (Path(path) / "config.json").exists():
        raise ValueError(f"There is no model in {path}; name a folder with a config.json.")
    return Path(path)


def load_trunk(folder: Path, share: float = 1.0) -> PreTrainedModel:
    """The transformer of a saved model in float32, without its language model head.

    Args:
        folder: a folder in the Hugging Face format.
        share: of the layers that is kept, counted from the first; at least one layer is.

    Raises:
        ValueError: the folder holds no model.
    """
    trunk = AutoModel.from_pretrained(model_folder(folder), dtype=torch.float32)
    layers = max(1, round(share * trunk.config.num_hidden_layers))
    trunk.layers = trunk.layers[:layers]
    trunk.config.num_hidden_layers = layers
    return trunk


def choose_trainable(model: RewardModel, trainable: str, *, top_layers: int, rank: int) -> None:
    """Decide which parameters learn; the head always does.

    Args:
        model: changed in place.
        trainable: "full" all of them; "top" the last layers and the final norm; "lora" small
            matrices beside every linear map of the trunk; "head" nothing else.
        top_layers: how many layers learn when trainable is "top".
        rank: of the matrices when trainable is "lora".
    """
    model.trunk.requires_grad_(trainable == "full")
    if trainable == "top":
        model.trunk.layers[-top_layers:].requires_grad_(True)
        model.trunk.norm.requires_grad_(True)
    if trainable == "lora":
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        model.trunk = get_peft_model(model.trunk, config)
