"""The language model that learns from demonstrations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rewardmodel.learning.batches import PACKED_ATTENTION, Batch, Group, pack, pad
from rewardmodel.learning.devices import CPU
from rewardmodel.learning.precision import autocast
from rewardmodel.learning.processes import Crew
from rewardmodel.learning.sharding.choice import laid_out
from rewardmodel.learning.sharding.layout import Layout
from rewardmodel.learning.shards import state_of

TUNINGS = ("lora", "full")
TOKENS_AT_ONCE = 256  # rows of logits alive together: 50 MB for a vocabulary of 49,152
PADDING = 0  # no real token sees it


class Student(nn.Module):
    """A causal language model, read only where the answers stand.

    Dropout is never active, so that the same demonstration always costs the same.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tuning: str,
        lora_rank: int,
        seed: int,
        *,
        packing: bool = True,
        precision: str = "auto",
    ) -> None:
        """Choose what learns and how batches are laid out.

        Args:
            model: changed in place; where it is, the student is.
            tuning: "full" all weights; "lora" small matrices beside every linear map.
            lora_rank: of those matrices.
            seed: of those matrices.
            packing: demonstrations one after another in one row instead of padded rows.
            precision: of the matrix products; weights and losses are float32.
        """
        super().__init__()
        self.packing = packing
        self.precision = precision
        self.model: PreTrainedModel | PeftModel = model
        model.requires_grad_(tuning == "full")
        if tuning == "lora":
            settings = LoraConfig(
                r=lora_rank,
                lora_alpha=2 * lora_rank,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            )
            with torch.random.fork_rng(devices=[]):  # drawn on the CPU, then moved
                torch.manual_seed(seed)
                self.model = get_peft_model(model, settings)
        self._usual_attention = model.config._attn_implementation
        self.eval()

    @classmethod
    def load(
        cls,
        folder: Path,
        tuning: str,
        lora_rank: int,
        seed: int,
        packing: bool,
        precision: str,
        device: torch.device = CPU,
    ) -> Self:
        """The model in a Hugging Face folder, with float32 master weights."""
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device)
        return cls(model, tuning, lora_rank, seed, packing=packing, precision=precision)

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The language model itself, with adapters in its layers if there are any."""
        model = self.model
        return model.get_base_model() if isinstance(model, PeftModel) else model

    @property
    def device(self) -> torch.device:
        return self.causal_lm.device

    def learning(self) -> list[nn.Parameter]:
        """The weights that training changes."""
        return [weight for weight in self.parameters() if weight.requires_grad]

    def forward(self, groups: Sequence[Group]) -> Tensor:
        """What it costs the model to give these answers to these prompts.

        Args:
            groups: B prompts with one answer each, the end token included.

        Returns:
            -log p of each whole answer, (B,), in nats; the prompt costs nothing.
        """
        batch = pack(groups, self.device) if self.packing else pad(groups, PADDING, self.device)
        answers = [group.responses[0] for group in groups]
        lengths = [len(answer) for answer in answers]
        hidden = self._hidden(batch)  # (R, T, h)
        rows, columns = before_answers(batch, lengths)  # (N,) each
        tokens = torch.tensor([token for answer in answers for token in answer]).to(self.device)
        losses = self._losses(hidden[rows, columns], tokens)  # (N,)
        return torch.stack([part.sum() for part in losses.split(lengths)])

    @contextmanager
    def answering(self) -> Iterator[PreTrainedModel]:
        """The language model as others call it: with its usual attention."""
        model = self.causal_lm
        model.set_attn_implementation(self._usual_attention)
        yield model

    def save_model(self, folder: Path, parent: Path) -> None:
        """Write a model folder like the parent's, adapters merged in; the student is spent."""
        model = self.model
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        model.set_attn_implementation(self._usual_attention)
        model.save_pretrained(folder, state_dict=state_of(model))
        AutoTokenizer.from_pretrained(parent).save_pretrained(folder)

    def _hidden(self, batch: Batch) -> Tensor:
        """The last hidden states, (R, T, h)."""
        layout = {} if batch.blocks is None else {"blocks": batch.blocks}
        self.causal_lm.set_attn_implementation(
            PACKED_ATTENTION if self.packing else self._usual_attention
        )
        with autocast(self.device, self.precision):
            output = self.causal_lm.get_decoder()(
                input_ids=batch.token_ids,
                position_ids=batch.positions,
                attention_mask=batch.attention_mask,
                use_cache=False,
                **layout,
            )
        return output.last_hidden_state

    def _losses(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """-log p of N tokens from the N states before them, (N,), never all N x vocabulary."""
        return torch.cat(
            [
                # recompute the logits backwards instead of keeping them; nothing in them is random
                checkpoint(
                    self._from_logits, some, their, use_reentrant=False, preserve_rng_state=False
                )
                for some, their in zip(
                    hidden.split(TOKENS_AT_ONCE), tokens.split(TOKENS_AT_ONCE), strict=True
                )
            ]
        )

    def _from_logits(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        with autocast(self.device, self.precision):
            logits = self.causal_lm.get_output_embeddings()(hidden)  # (n, V)
        return nn.functional.cross_entropy(logits.float(), tokens, reduction="none")


def layout_of(student: Student, crew: Crew) -> Layout:
    """Lay a student out among processes as their launcher was asked to."""
    first = Group([0], [[0]])
    return laid_out(student, crew, [student.causal_lm.get_decoder()], lambda: student([first]))


def before_answers(batch: Batch, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where the states stand from which the answers' tokens are foretold.

    Args:
        batch: B prompts with one answer each; it knows where each answer's last token stands.
        lengths: tokens of each answer.

    Returns:
        Row and column of the token before each token of the answers, (N,) each.
    """
    counts = torch.tensor(lengths, device=batch.rows.device)  # (B,)
    rows = batch.rows.repeat_interleave(counts)
    back = torch.cat([torch.arange(n, 0, -1) for n in lengths]).to(rows.device)
    return rows, batch.columns.repeat_interleave(counts) - back
