"""Demonstrations as token numbers: what the program reads and what it leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rewardmodel.learning.batches import Group
from rewardmodel.learning.conversations import Chat
from rlhf.generation.protocol import Message

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Demonstration:
    """One prompt and the answer that a model should give to it."""

    id: int
    prompt: list[Message]
    group: Group  # the same in tokens: the prompt, and one response that ends with the end token

    @property
    def answer(self) -> list[int]:
        return self.group.responses[0]


@dataclass(frozen=True)
class Demonstrations:
    """The demonstrations of a run, by what they are for."""

    train: list[Demonstration]
    test: list[Demonstration]
    left_out: int  # longer than max_length tokens


def read_demonstrations(
    rows: Iterable[tuple[int, dict[str, Any]]], chat: Chat, max_length: int
) -> Demonstrations:
    """The demonstrations that fit.

    One that is too long is left out and counted: cut off, it would teach answers without an end.

    Args:
        rows: line number and {"id", "split", "prompt": messages, "completion": text}.
        chat: of the model that learns.
        max_length: tokens of prompt and answer together.

    Raises:
        ValueError: a row lacks something, or nothing is left to learn from or to measure on.
    """
    kept: dict[str, list[Demonstration]] = {split: [] for split in SPLITS}
    left_out = 0
    for number, row in rows:
        prompt, answer, split = row.get("prompt"), row.get("completion"), row.get("split")
        if not isinstance(prompt, list) or not prompt or not isinstance(answer, str) or not answer:
            raise ValueError(f"data.jsonl line {number} lacks a prompt or a completion; mend it.")
        if split not in SPLITS:
            raise ValueError(f"data.jsonl line {number} is neither train nor test; mend it.")
        group = Group(chat.prompt(prompt), [chat.response(answer)])
        if group.length > max_length:
            left_out += 1
        else:
            kept[split].append(Demonstration(int(row.get("id", number)), prompt, group))
    for split, words in (("train", "train on"), ("test", "test on")):
        if not kept[split]:
            raise ValueError(
                f"There is no demonstration to {words} ({left_out} are longer than {max_length} "
                f"tokens); add rows with the split '{split}' or raise max_length."
            )
    return Demonstrations(kept["train"], kept["test"], left_out)
