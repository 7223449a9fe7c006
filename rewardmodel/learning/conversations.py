"""Conversations as the token numbers that a chat model was taught to read."""

import hashlib
import json
from collections.abc import Sequence
from typing import TypedDict

from transformers import PreTrainedTokenizerBase


class Message(TypedDict):
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


class Chat:
    """A tokenizer fit for scoring: it has a chat template, and an end unlike its padding."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Check the tokenizer.

        Raises:
            ValueError: it lacks a chat template, an end token or a padding token, or pads with
                the end token. (A score is read at the end token; a second meaning for it is the
                most repeated mistake of reward models.)
        """
        if not tokenizer.chat_template:
            raise ValueError("The model has no chat template; choose a chat model.")
        if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
            raise ValueError("The tokenizer needs an end and a padding token; set both.")
        if tokenizer.eos_token_id == tokenizer.pad_token_id:
            raise ValueError(
                f"The tokenizer pads with its end token {tokenizer.eos_token!r}; "
                "give it a padding token of its own."
            )
        self.tokenizer = tokenizer
        self.end: int = tokenizer.eos_token_id
        self.padding: int = tokenizer.pad_token_id

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a conversation up to the place where the assistant begins to answer."""
        encoded = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_dict=True
        )
        return list(encoded["input_ids"])

    def response(self, text: str) -> list[int]:
        """Tokens of an answer; the last one is always the end token, where the score is read."""
        return self.ended(self.tokenizer.encode(text, add_special_tokens=False))

    def ended(self, tokens: Sequence[int]) -> list[int]:
        """The same tokens with the end token last, once."""
        return [*tokens] if tokens and tokens[-1] == self.end else [*tokens, self.end]

    def template_hash(self) -> str:
        """Equal for equal chat templates."""
        return _digest(self.tokenizer.chat_template)

    def tokenizer_hash(self) -> str:
        """Equal when the same token numbers mean the same text and the same end."""
        return _digest({**self.tokenizer.get_vocab(), "": self.end})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
