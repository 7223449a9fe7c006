"""What every inference engine is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict


class Message(TypedDict):
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn. The defaults are pure ancestral sampling."""

    temperature: float = 1.0
    top_p: float = 1.0  # probability mass of the tokens that may be drawn
    max_tokens: int = 64
    seed: int | None = None  # None: a different answer every time

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"{self.temperature=} must not be negative")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"{self.top_p=} must lie in (0, 1]")
        if self.max_tokens < 1:
            raise ValueError(f"{self.max_tokens=} must be at least 1")

    @property
    def is_ancestral(self) -> bool:
        """Whether tokens are drawn from the policy's whole distribution, as PPO's ratio assumes."""
        return self.top_p == 1 and self.temperature > 0


@dataclass(frozen=True)
class Generated:
    """One sampled answer.

    `token_ids` includes the end-of-sequence token where there is one, `text` does not.
    `finish_reason` is "stop" (the model ended its answer), "length" (cut at max_tokens) or
    "refused" (the engine would not take this prompt, usually because it is too long; no text).
    """

    text: str
    token_ids: tuple[int, ...]
    token_count: int
    finish_reason: str
    logprobs: tuple[float, ...] | None = None  # of the sampled tokens, in nats


class Generator(Protocol):
    """Anything that answers conversations: an engine in this process or a server."""

    def generate(
        self, conversations: Sequence[list[Message]], sampling: Sequence[Sampling]
    ) -> list[Generated]:
        """Answer each conversation once, in the order asked."""
        ...
