"""The language model being trained, its critic on the same trunk, and its frozen reference."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rewardmodel.learning.precision import autocast

Tuning = Literal["lora", "full"]
ADAPTER = "default"
TOKENS_AT_ONCE = 256  # rows of logits alive together: 50 MB for a vocabulary of 49,152


class Texts(NamedTuple):
    """Prompts and sampled answers as token ids. Masks are true on real tokens.

    Prompts are padded on the left and answers on the right, so that every answer begins in the
    same column. What the padding's ids are is nobody's business: only the masks are asked.
    """

    prompts: Tensor  # (B, P)
    prompt_mask: Tensor  # (B, P)
    responses: Tensor  # (B, T)
    mask: Tensor  # (B, T)

    @classmethod
    def of(cls, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> Self:
        """Pad lists of token ids of any lengths."""
        left, left_mask = _padded([ids[::-1] for ids in prompts])
        right, right_mask = _padded(responses)
        return cls(left.flip(1), left_mask.flip(1), right, right_mask)

    def rows(self, rows: Tensor | slice) -> "Texts":
        """Some of the texts, without the columns in which these have only padding."""
        prompts, prompt_mask, responses, mask = (part[rows] for part in self)
        first = int(prompt_mask.int().argmax(1).min())
        last = int(mask.sum(1).max())
        return Texts(
            prompts[:, first:], prompt_mask[:, first:], responses[:, :last], mask[:, :last]
        )


class Opinion(NamedTuple):
    """What a policy thinks of sampled answers; all (B, T), zero on padding."""

    logprobs: Tensor  # of the sampled tokens, in nats
    values: Tensor  # score expected before each token
    entropy: Tensor  # of the distribution each token was drawn from, in nats; zero under gradients


class Policy(nn.Module):
    """A causal language model whose last hidden state also feeds a value head.

    One trunk serves both: on a CPU two trunks double the cost of every step. The reference is the
    policy as it was at the start: the trunk without its adapters (LoRA), or a frozen copy (full).
    Dropout is never active, so that the same texts always get the same opinion.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tuning: Tuning,
        lora_rank: int,
        temperature: float,
        seed: int,
        precision: str = "auto",
    ) -> None:
        super().__init__()
        self.temperature = temperature  # of sampling; every log-probability is at this temperature
        self.reference: PreTrainedModel | None = None
        model.requires_grad_(tuning == "full")
        if tuning == "full":
            self.reference = copy.deepcopy(model).requires_grad_(False)
            self.model: PreTrainedModel | PeftModel = model
        else:
            self.model = _with_adapters(model, lora_rank, seed)
        self.value_head = nn.Linear(model.config.hidden_size, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        self.precision = precision
        self.eval()

    @classmethod
    def load(
        cls,
        folder: Path,
        tuning: Tuning = "lora",
        lora_rank: int = 16,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Self:
        """The policy in a Hugging Face folder, with fp32 master weights."""
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return cls(model, tuning, lora_rank, temperature, seed)

    def forward(self, texts: Texts) -> Opinion:
        """The policy's opinion of some answers, with gradient where it is switched on."""
        return self._opinion(self.causal_lm, texts)

    @torch.no_grad()
    def reference_logprobs(self, texts: Texts) -> Tensor:
        """Log-probabilities of the sampled tokens under the frozen reference, (B, T), in nats."""
        if self.reference is not None:
            return self._opinion(self.reference, texts).logprobs
        assert isinstance(self.model, PeftModel)
        with self.model.disable_adapter():
            return self._opinion(self.causal_lm, texts).logprobs

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The language model itself, with adapters in its layers if there are any."""
        model = self.model
        return model.get_base_model() if isinstance(model, PeftModel) else model

    def trunk_parameters(self) -> list[nn.Parameter]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    @torch.no_grad()
    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token after the first of each sequence, at temperature 1."""
        texts = Texts.of([ids[:1] for ids in sequences], [ids[1:] for ids in sequences])
        temperature, self.temperature = self.temperature, 1.0
        logprobs = self(texts).logprobs
        self.temperature = temperature
        return [row[keep].tolist() for row, keep in zip(logprobs, texts.mask, strict=True)]

    @torch.no_grad()
    def merged_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight under its Hugging Face name, adapters added in; tied ones once."""
        layers = dict(self.causal_lm.named_modules())
        for name, weight in self.causal_lm.named_parameters():
            if ".lora_" in name:
                continue
            layer = layers[name.split(".base_layer.")[0]] if ".base_layer." in name else None
            if isinstance(layer, LoraLayer) and name.endswith(".weight"):
                weight = weight + layer.get_delta_weight(ADAPTER)
            yield name.replace(".base_layer.", "."), weight.detach()

    def save_weights(self, folder: Path, dtype: torch.dtype) -> None:
        """Write the merged weights alone, for an engine to load."""
        weights = {name: weight.to(dtype) for name, weight in self.merged_weights()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def save_model(self, folder: Path, parent: Path) -> None:
        """Write the merged weights as a model folder like the parent's, tokenizer included."""
        model = AutoModelForCausalLM.from_pretrained(parent)
        model.load_state_dict(dict(self.merged_weights()), strict=False)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(parent).save_pretrained(folder)

    def autocast(self) -> AbstractContextManager[None]:
        """Run matrix products in bf16 where that is faster; sums and losses stay in fp32."""
        return autocast(self.value_head.weight.device, self.precision)

    def _opinion(self, model: PreTrainedModel, texts: Texts) -> Opinion:
        hidden = self._before_each_token(model, texts)  # (B, T, H)
        logprobs, entropy = self._token_statistics(model, hidden[texts.mask], texts)  # (N,) each
        values = self.value_head(hidden.float()).squeeze(-1) * texts.mask
        return Opinion(_unpacked(logprobs, texts.mask), values, _unpacked(entropy, texts.mask))

    def _before_each_token(self, model: PreTrainedModel, texts: Texts) -> Tensor:
        """The last hidden state from which each token of the answers was drawn, (B, T, H)."""
        mask = torch.cat([texts.prompt_mask, texts.mask], dim=1).long()
        with self.autocast():
            output = model.get_decoder()(
                input_ids=torch.cat([texts.prompts, texts.responses], dim=1),
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                use_cache=False,
            )
        return output.last_hidden_state[:, texts.prompts.shape[1] - 1 : -1]

    def _token_statistics(
        self, model: PreTrainedModel, hidden: Tensor, texts: Texts
    ) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy for each of N tokens, never all N x vocabulary at once."""
        head = model.get_output_embeddings()
        tokens = texts.responses[texts.mask]
        parts = []
        for some, their in zip(
            hidden.split(TOKENS_AT_ONCE), tokens.split(TOKENS_AT_ONCE), strict=True
        ):
            if torch.is_grad_enabled():  # recompute the logits backwards instead of keeping them
                parts.append(checkpoint(self._from_logits, head, some, their, use_reentrant=False))
            else:
                parts.append(self._from_logits(head, some, their))
        logprobs, entropies = zip(*parts, strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def _from_logits(self, head: nn.Module, hidden: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
        with self.autocast():
            logits = head(hidden)  # (n, V)
        scaled = logits.float() / self.temperature
        total = scaled.logsumexp(-1)
        logprobs = scaled.gather(-1, tokens[:, None]).squeeze(-1) - total
        if torch.is_grad_enabled():
            return logprobs, torch.zeros_like(logprobs)  # a second pass over V, for a figure only
        probabilities = (scaled - total[:, None]).exp_()
        return logprobs, total - (probabilities * scaled).sum(-1)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _with_adapters(model: PreTrainedModel, rank: int, seed: int) -> PeftModel:
    """The model with low-rank adapters on all linear layers; they change nothing yet."""
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    with _seeded(seed):
        return get_peft_model(model, settings, adapter_name=ADAPTER)


def _padded(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, (B, longest), padded on the right."""
    longest = max(map(len, sequences))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in sequences])
    lengths = torch.tensor([len(row) for row in sequences])
    return ids, torch.arange(longest)[None] < lengths[:, None]


def _unpacked(values: Tensor, mask: Tensor) -> Tensor:
    """N values of the real tokens back in their places, (B, T), zero on padding."""
    empty = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
    return empty.masked_scatter(mask, values)
