"""Conversations as token ids and back: engine and trainer must agree on every token."""

from collections.abc import Sequence
from typing import cast

from transformers import PreTrainedTokenizerBase

from rlhf.generation.protocol import Message


def encode(tokenizer: PreTrainedTokenizerBase, conversation: list[Message]) -> list[int]:
    """The conversation in the model's chat template, up to where the model's answer begins."""
    text = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
    return tokenizer(cast(str, text), add_special_tokens=False)["input_ids"]


def decode(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> str:
    """The answer as people read it, without special tokens."""
    return cast(str, tokenizer.decode(list(token_ids), skip_special_tokens=True))
