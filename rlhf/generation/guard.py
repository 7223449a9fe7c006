"""Whether an engine answers with the weights that are trained: compared after every change.

Engines reload weights in several ways that go wrong silently; probabilities of fixed texts tell.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.generation.prompts import encode
from rlhf.generation.protocol import Message

TOLERANCES = 3.0  # times the difference between two correct engines that is still called equal
SMALLEST_DIFFERENCE = 0.01  # nats; bf16 rounding varies by about this from one text to the next
LARGEST_DIFFERENCE = 0.15  # nats; above it even the untouched parent is not the same model

CONVERSATIONS: list[tuple[list[Message], str]] = [
    (
        [{"role": "user", "content": "What is the capital of France?"}],
        "The capital of France is Paris. It lies on the Seine.",
    ),
    (
        [{"role": "user", "content": "Write a short poem about rain."}],
        "Rain falls on the roof tonight,\nsoft and slow and silver white.",
    ),
    (
        [{"role": "user", "content": "How do I sort a list of numbers in Python?"}],
        "Call `sorted(numbers)`; it returns a new list and leaves the old one as it was.",
    ),
]

Logprobs = Callable[[Sequence[Sequence[int]]], list[list[float]]]
"""Log-probability of every token after the first of each sequence, at temperature 1."""


class WeightsDiffer(RuntimeError):
    """The engine answers with other weights than those that are trained."""


class Trained(Protocol):
    """A policy in training, as an engine needs to know it."""

    def merged_weights(self) -> Iterable[tuple[str, Tensor]]:
        """Every weight under its Hugging Face name, adapters added in."""
        ...

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter alone, as PEFT does."""
        ...

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token after the first of each sequence, at temperature 1."""
        ...


class Guard:
    """Compares an engine with what the trainer thinks of a few fixed texts.

    The first comparison, of the parent with itself, shows how far rounding alone takes two correct
    implementations apart. Later ones may not differ much more.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_tokens: int, last: int | None = None
    ) -> None:
        """Choose the texts.

        Args:
            tokenizer: of the policy.
            max_tokens: longest text that the engine takes.
            last: so many tokens at the end of each text are compared; None for all of them.
        """
        self.last = last
        # An engine insists on adding one token, for which room is left.
        self.sequences = [
            (encode(tokenizer, messages) + tokenizer.encode(answer, add_special_tokens=False))[
                : max_tokens - 1
            ]
            for messages, answer in CONVERSATIONS
        ]
        self._expected: Tensor | None = None
        self._usual_difference: float | None = None

    def expect(self, policy: Trained) -> None:
        """Let the engine be compared with the policy as it is now."""
        self._expected = self._compared(policy.sequence_logprobs(self.sequences))

    def difference(self, engine: Logprobs) -> float:
        """Mean absolute difference of log-probabilities on the fixed texts, in nats a token."""
        assert self._expected is not None
        told = self._compared(engine(self.sequences))
        return (self._expected - told).abs().mean().item()

    def check(self, engine: Logprobs) -> float:
        """Compare the engine with what is expected; returns the mean difference in nats.

        Raises:
            WeightsDiffer: it is larger than that of two correct engines.
        """
        difference = self.difference(engine)
        if self._usual_difference is None:
            allowed = LARGEST_DIFFERENCE
        else:
            allowed = TOLERANCES * max(self._usual_difference, SMALLEST_DIFFERENCE)
        if not difference <= allowed:
            raise WeightsDiffer(
                f"vLLM's log-probabilities differ from the trainer's by {difference:.3f} nats a "
                f"token where {allowed:.3f} is usual: it answers with other weights, so the run "
                "stops; check that this vLLM reloads all of this model's weights."
            )
        if self._usual_difference is None:
            self._usual_difference = difference
        return difference

    def _compared(self, rows: Sequence[Sequence[float]]) -> Tensor:
        """What is compared of the log-probabilities of the texts, one after the other."""
        return torch.tensor([value for row in rows for value in row[-(self.last or 0) :]])
