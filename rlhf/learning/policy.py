"""The language model being trained, its critic, and its frozen reference."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rewardmodel.learning.devices import CPU
from rewardmodel.learning.precision import autocast, has_fast_bf16
from rlhf.learning.adapters import (
    AdaptedLinear,
    FrozenLinear,
    adapt,
    freeze_layers,
    save_adapters,
    switched_off,
)
from rlhf.learning.critic import Critic, zero_head
from rlhf.learning.layers import above, below, check_can_be_cut
from rlhf.learning.output import token_statistics
from rlhf.learning.packed import can_be_packed, states_before
from rlhf.learning.texts import Texts, unpacked

Tuning = Literal["lora", "full", "top"]


class Opinion(NamedTuple):
    """What a policy thinks of sampled answers; all (B, T), zero on padding."""

    logprobs: Tensor  # of the sampled tokens, in nats
    values: Tensor  # score expected before each token
    entropy: Tensor  # of the distribution each token was drawn from, in nats; without gradient


class Policy(nn.Module):
    """A causal language model whose last hidden state also feeds a value head.

    One trunk serves both, unless there is a critic of its own: on a CPU two trunks double the cost
    of every step. The reference is the policy as it was at the start: the trunk without its
    adapters (LoRA), a frozen copy (full), or frozen copies of the top layers on the same lower ones
    (top). Dropout is never active, so that the same texts always get the same opinion.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tuning: Tuning,
        lora_rank: int,
        temperature: float,
        seed: int,
        precision: str = "auto",
        *,
        top_layers: int = 4,
        critic: Critic | None = None,
    ) -> None:
        """Choose what learns.

        Args:
            model: changed in place; where it is, the policy is.
            tuning: "lora" small matrices beside every linear map; "full" all weights; "top" the
                last layers and the norm behind them, on lower layers that are computed once.
            lora_rank: of the small matrices.
            temperature: of sampling; every log-probability is at this temperature.
            seed: of the small matrices.
            precision: of the matrix products: bf16, fp32, or auto for the faster one.
            top_layers: how many learn when tuning is "top".
            critic: with a network of its own; None for a head on the policy's trunk.

        Raises:
            ValueError: the model can't be tuned in that way.
        """
        super().__init__()
        self.temperature = temperature
        self.tuning = tuning
        self.precision = precision
        self.model = model
        self.critic = critic
        self.value_head = zero_head(model.config.hidden_size) if critic is None else None
        self.reference: PreTrainedModel | None = None
        self.reference_top: nn.ModuleList | None = None  # the layers, then the norm
        self._narrow_output: dict[int, Tensor] = {}
        if model.get_output_embeddings().bias is not None:
            raise ValueError("The model's output layer has a bias, which PPO does not know.")
        model.requires_grad_(tuning == "full")
        decoder = model.get_decoder()
        self.packs = tuning != "top" and can_be_packed(decoder)
        if tuning == "full":
            self.reference = copy.deepcopy(model).requires_grad_(False)
            freeze_layers(self.reference.get_decoder(), self.dtype)
        elif tuning == "lora":
            adapt(decoder, lora_rank, seed, self.dtype)
        else:
            check_can_be_cut(decoder, top_layers)
            self.cut = len(decoder.layers) - top_layers
            top = nn.ModuleList([*decoder.layers[self.cut :], decoder.norm])
            self.reference_top = copy.deepcopy(top)
            freeze_layers(self.reference_top, self.dtype)
            top.requires_grad_(True)
            for layer in decoder.layers[: self.cut]:
                freeze_layers(layer, self.dtype)
        self.to(model.device)  # the heads, and a critic of its own
        self.eval()

    @classmethod
    def load(
        cls,
        folder: Path,
        tuning: Tuning = "lora",
        lora_rank: int = 16,
        temperature: float = 1.0,
        seed: int = 0,
        *,
        top_layers: int = 4,
        critic: Critic | None = None,
        precision: str = "auto",
        device: torch.device = CPU,
    ) -> Self:
        """The policy in a Hugging Face folder, with fp32 master weights of what learns."""
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device)
        return cls(
            model,
            tuning,
            lora_rank,
            temperature,
            seed,
            precision,
            top_layers=top_layers,
            critic=critic,
        )

    @property
    def device(self) -> torch.device:
        """On which it computes. Texts may be on the CPU, and its figures come back to it."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the matrix products."""
        wanted = (
            has_fast_bf16(self.device) if self.precision == "auto" else self.precision == "bf16"
        )
        return torch.bfloat16 if wanted else torch.float32

    def forward(self, texts: Texts) -> Opinion:
        """The policy's and the critic's opinion of some answers, with gradient where it is on."""
        hidden = self._before_each_token(texts)  # (B, T, H)
        logprobs, entropy = self._statistics(self.model, hidden, texts)
        return Opinion(logprobs.cpu(), self._values(hidden, texts).cpu(), entropy.cpu())

    @torch.no_grad()
    def reference_logprobs(self, texts: Texts) -> Tensor:
        """Log-probabilities of the sampled tokens under the frozen reference, (B, T), in nats."""
        if self.reference is not None:
            hidden = self._states(self.reference.get_decoder(), texts)
            return self._statistics(self.reference, hidden, texts)[0].cpu()
        if self.reference_top is not None:
            hidden = self._top(texts, self.reference_top[:-1], self.reference_top[-1])
        else:
            with switched_off(self.model):
                hidden = self._states(self.model.get_decoder(), texts)
        return self._statistics(self.model, hidden, texts)[0].cpu()

    @torch.no_grad()
    def prepared(self, texts: Texts) -> Texts:
        """The texts with what the frozen lower layers make of them, where there are such layers.

        That stays on the policy's device.
        """
        if self.tuning != "top" or texts.lower is not None:
            return texts
        ids, mask = _joined(texts, self.device)
        with self.autocast():
            return texts._replace(lower=below(self.model.get_decoder(), self.cut, ids, mask))

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The language model itself, with adapters in its layers if there are any."""
        return self.model

    def trunk_parameters(self) -> list[nn.Parameter]:
        """What training changes of the language model."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def critic_parameters(self) -> list[nn.Parameter]:
        """What training changes of the critic alone."""
        critic = self.critic or self.value_head
        assert critic is not None
        return list(critic.parameters())

    @torch.no_grad()
    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token after the first of each sequence, at temperature 1."""
        texts = Texts.of([ids[:1] for ids in sequences], [ids[1:] for ids in sequences])
        temperature, self.temperature = self.temperature, 1.0
        logprobs, _ = self._statistics(self.model, self._before_each_token(texts), texts)
        self.temperature = temperature
        logprobs = logprobs.cpu()
        return [row[keep].tolist() for row, keep in zip(logprobs, texts.mask, strict=True)]

    @torch.no_grad()
    def merged_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight under its Hugging Face name, adapters added in; tied ones once."""
        for name, weight in self.model.named_parameters():
            if ".lora_" not in name:
                yield name, weight.detach()
        for name, layer in self.model.named_modules():
            if isinstance(layer, FrozenLinear):
                yield f"{name}.weight", layer.weight_now()
                if layer.bias is not None:
                    yield f"{name}.bias", layer.bias

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter alone, as PEFT does."""
        save_adapters(self.model, folder)

    @torch.no_grad()
    def save_model(self, folder: Path, parent: Path) -> None:
        """Write the merged weights as a model folder like the parent's, tokenizer included.

        Adapters are added to the parent's own weights, which may be more exact than those here.
        """
        model = AutoModelForCausalLM.from_pretrained(parent)
        own = dict(self.model.named_parameters())
        model.load_state_dict({n: w for n, w in own.items() if ".lora_" not in n}, strict=False)
        for name, layer in self.model.named_modules():
            if isinstance(layer, AdaptedLinear):
                weight = model.get_submodule(name).weight
                weight.copy_(weight.float() + layer.delta().cpu())
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(parent).save_pretrained(folder)

    def autocast(self) -> AbstractContextManager[None]:
        """Run matrix products in bf16 where that is faster; sums and losses stay in fp32."""
        return autocast(self.device, self.precision)

    def _before_each_token(self, texts: Texts) -> Tensor:
        """The last hidden state from which each token of the answers was drawn, (B, T, H)."""
        decoder = self.model.get_decoder()
        if self.tuning == "top":
            return self._top(texts, decoder.layers[self.cut :], decoder.norm)
        return self._states(decoder, texts)

    def _states(self, decoder: PreTrainedModel, texts: Texts) -> Tensor:
        if self.packs:
            with self.autocast():
                return states_before(decoder, texts)
        ids, mask = _joined(texts, self.device)
        with self.autocast():
            output = decoder(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                use_cache=False,
            )
        return output.last_hidden_state[:, texts.prompts.shape[1] - 1 : -1]

    def _top(self, texts: Texts, layers: nn.ModuleList, norm: nn.Module) -> Tensor:
        lower = self.prepared(texts).lower
        _, mask = _joined(texts, self.device)
        with self.autocast():
            hidden = above(self.model.get_decoder(), layers, norm, lower, mask)
        return hidden[:, texts.prompts.shape[1] - 1 : -1]

    def _statistics(
        self, model: PreTrainedModel, hidden: Tensor, texts: Texts
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the answers' tokens, (B, T) each."""
        mask = texts.mask.to(hidden.device)
        logprobs, entropy = token_statistics(
            hidden[mask],
            self._output_weight(model),
            texts.responses[texts.mask].to(hidden.device),
            self.temperature,
            self.dtype,
        )
        return unpacked(logprobs, mask), unpacked(entropy, mask)

    def _output_weight(self, model: PreTrainedModel) -> Tensor:
        """Of the output layer, (V, H); one that never changes is made narrow only once."""
        weight = model.get_output_embeddings().weight
        if weight.requires_grad:
            return weight
        if weight.data_ptr() not in self._narrow_output:
            self._narrow_output[weight.data_ptr()] = weight.detach().to(self.dtype)
        return self._narrow_output[weight.data_ptr()]

    def _values(self, hidden: Tensor, texts: Texts) -> Tensor:
        if self.critic is not None:
            with self.autocast():
                return self.critic(texts)
        assert self.value_head is not None
        return self.value_head(hidden.float()).squeeze(-1) * texts.critic_mask.to(hidden.device)


def _joined(texts: Texts, device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompt and answer in one row, and the mask of both as numbers, (B, P + T), on a device."""
    ids = torch.cat([texts.prompts, texts.responses], dim=1)
    mask = torch.cat([texts.prompt_mask, texts.mask], dim=1).long()
    return ids.to(device), mask.to(device)
