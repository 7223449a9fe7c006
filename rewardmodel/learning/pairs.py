"""Pairs of responses with what people said about them, read from a frozen snapshot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rewardmodel.learning.batches import Group
from rewardmodel.learning.conversations import Chat, Message

SPLITS = ("train", "test")
ROLES = ("system", "user", "assistant", "tool")
KEPT_PROMPT = 32  # tokens of a prompt that are never cut: its last question, and "assistant:"


@dataclass(frozen=True)
class Pair:
    """One prompt, two responses, and how sure people are that `chosen` is the better one."""

    id: int
    split: str
    prompt: list[Message]
    chosen: str
    rejected: str
    preference: float = 1.0  # probability that chosen is better, half of `tie` included
    margin: float = 0.0  # by how much, from 0 (unknown) to 1 (strongest)
    weight: float = 1.0  # how much the pair counts in the loss
    tie: float = 0.0  # probability that neither is better
    votes: tuple[int, int, int] = (0, 0, 0)  # for chosen, neither, rejected; 0 where unknown
    category: str = ""
    chosen_policy: str = ""  # who wrote it, where the snapshot tells
    rejected_policy: str = ""

    @property
    def decided(self) -> bool:
        """Whether people prefer one of the two at all: only then a model can be right."""
        return self.preference > 0.5

    @property
    def outcomes(self) -> tuple[float, float, float]:
        """Probabilities that chosen is better, that neither is, and that rejected is."""
        half = self.tie / 2
        return self.preference - half, self.tie, max(0.0, 1 - self.preference - half)


@dataclass(frozen=True)
class Example:
    """A pair in tokens: the group's first response is the chosen one."""

    pair: Pair
    group: Group


@dataclass(frozen=True)
class Fitting:
    """Which pairs fit into the longest sequence, and what that cost."""

    examples: list[Example]
    truncated_prompts: int  # prompts that lost their beginning
    left_out: int  # pairs with a response that does not fit at all


def read_pairs(rows: Iterable[tuple[int, dict[str, Any]]]) -> list[Pair]:
    """Check the rows of a snapshot.

    Args:
        rows: line numbers and JSON objects.

    Raises:
        ValueError: a row that no reward model should learn from, with its line number.
    """
    pairs: dict[int, Pair] = {}
    for number, row in rows:
        pair = _pair(number, row)
        if pair.id in pairs:
            raise ValueError(f"data.jsonl line {number} has an id seen before; mend the snapshot.")
        pairs[pair.id] = pair
    return list(pairs.values())


def _pair(number: int, row: dict[str, Any]) -> Pair:
    known = {key: value for key, value in row.items() if key in Pair.__dataclass_fields__}
    try:
        known["votes"] = tuple(known.get("votes", (0, 0, 0)))
        pair = Pair(**known)
        wrong = _complaint(pair)
    except (TypeError, AttributeError, KeyError):
        wrong = "needs id, split, prompt, chosen and rejected, each of its own type"
    if wrong:
        raise ValueError(f"data.jsonl line {number} {wrong}; mend the snapshot.")
    return pair


def _complaint(pair: Pair) -> str:
    """What is wrong with a pair, as the end of a sentence; empty when nothing is."""
    if pair.split not in SPLITS:
        return f"has the split {pair.split!r} instead of train or test"
    if not pair.prompt or any(message["role"] not in ROLES for message in pair.prompt):
        return "has no prompt, or one with an unknown role"
    if any(not message["content"].strip() for message in pair.prompt):
        return "has an empty message in its prompt"
    if not pair.chosen.strip() or not pair.rejected.strip():
        return "has an empty response"
    if pair.chosen.strip() == pair.rejected.strip():
        return "has two identical responses"
    if not 0.5 <= pair.preference <= 1:
        return f"has the preference {pair.preference} outside [0.5, 1]"
    if not 0 <= pair.tie <= 2 * (1 - pair.preference) + 1e-9:
        return f"has the tie {pair.tie}, of which half does not fit beside the preference"
    if not 0 <= pair.margin <= 1 or not 0 < pair.weight < float("inf"):
        return "has a margin outside [0, 1] or a weight that is not positive"
    if len(pair.votes) != 3 or any(count != int(count) or count < 0 for count in pair.votes):
        return "has votes that are not three counts"
    return ""


def fit(pairs: Sequence[Pair], chat: Chat, max_length: int) -> Fitting:
    """Turn pairs into tokens.

    A response is never cut. A prompt too long for the responses loses its beginning, the same for
    both, and keeps at least its end; a pair whose response leaves no room for that is left out.

    Args:
        pairs: any number.
        chat: the tokenizer of the trunk.
        max_length: tokens of prompt and one response together.
    """
    examples = []
    truncated = 0
    for pair in pairs:
        responses = [chat.response(pair.chosen), chat.response(pair.rejected)]
        room = max_length - max(map(len, responses))
        if room < KEPT_PROMPT:
            continue
        prompt = chat.prompt(pair.prompt)
        truncated += len(prompt) > room
        examples.append(Example(pair, Group(prompt[-room:], responses)))
    return Fitting(examples, truncated, len(pairs) - len(examples))
