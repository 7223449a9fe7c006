"""Pairs of responses with what people said about them, read from a frozen snapshot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rewardmodel.learning.batches import Group, passes
from rewardmodel.learning.conversations import Chat, Message

SPLITS = ("train", "test")
ROLES = ("system", "user", "assistant", "tool")
KEPT_PROMPT = 32  # tokens of a prompt that are never cut: its last question, and "assistant:"


class Ballot(NamedTuple):
    """One person's answer about a pair."""

    by: str  # a name that tells the same person again, and nobody who
    answer: int  # strength with which `chosen` is preferred, below 0 for `rejected`, 0 for neither
    side: int  # 1 where `chosen` was shown on the left, -1 on the right, 0 unknown


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
    ballots: tuple[Ballot, ...] = ()  # the votes one by one, where known
    # what people said about one aspect each: probability that `chosen` is better in it
    aspects: dict[str, float] = field(default_factory=dict)
    group: str = ""  # pairs of one ranking share it and are learned together
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


def turned(pair: Pair) -> Pair:
    """The same pair, with the two responses named the other way round."""
    return replace(
        pair,
        chosen=pair.rejected,
        rejected=pair.chosen,
        preference=1 - pair.preference,
        votes=pair.votes[::-1],
        ballots=tuple(Ballot(by, -answer, -side) for by, answer, side in pair.ballots),
        aspects={name: 1 - share for name, share in pair.aspects.items()},
        chosen_policy=pair.rejected_policy,
        rejected_policy=pair.chosen_policy,
    )


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

    @property
    def pairs(self) -> list[Pair]:
        return [example.pair for example in self.examples]


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
    if mixed := [each[0].group for each in _rankings([*pairs.values()]) if not _one_prompt(each)]:
        raise ValueError(f"The ranking {mixed[0]} is about several prompts; mend the snapshot.")
    return list(pairs.values())


def _one_prompt(pairs: Sequence[Pair]) -> bool:
    return all(pair.prompt == pairs[0].prompt for pair in pairs)


def _pair(number: int, row: dict[str, Any]) -> Pair:
    known = {key: value for key, value in row.items() if key in Pair.__dataclass_fields__}
    try:
        known["votes"] = tuple(known.get("votes", (0, 0, 0)))
        known["ballots"] = tuple(Ballot(*ballot) for ballot in known.get("ballots", ()))
        known["group"] = str(known.get("group") or "")
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
    if any(ballot.side not in (-1, 0, 1) for ballot in pair.ballots):
        return "has a ballot whose side is none of -1, 0 and 1"
    if any(not 0 <= share <= 1 for share in pair.aspects.values()):
        return "has an aspect with a share outside [0, 1]"
    return ""


def fit(pairs: Sequence[Pair], chat: Chat, max_length: int) -> Fitting:
    """Turn pairs into tokens.

    A response is never cut. A prompt too long for the responses loses its beginning, the same for
    both, and keeps at least its end; a pair whose response leaves no room for that is left out.
    Pairs of one ranking lose the same beginning, because they are computed together, and share one
    weight: a ranking of K responses counts once, not K(K-1)/2 times (Ouyang et al. 2022, 3.5).

    Args:
        pairs: any number.
        chat: the tokenizer of the trunk.
        max_length: tokens of prompt and one response together.
    """
    examples = []
    truncated = 0
    for together in _rankings(pairs):
        texts = {text for pair in together for text in (pair.chosen, pair.rejected)}
        responses = {text: chat.response(text) for text in texts}
        fitting = {t: r for t, r in responses.items() if max_length - len(r) >= KEPT_PROMPT}
        kept = [pair for pair in together if {pair.chosen, pair.rejected} <= fitting.keys()]
        if not kept:
            continue
        room = max_length - max(map(len, fitting.values()))
        prompt = chat.prompt(kept[0].prompt)
        truncated += len(kept) * (len(prompt) > room)
        for pair in kept:
            two = [fitting[pair.chosen], fitting[pair.rejected]]
            shared = replace(pair, weight=pair.weight / len(kept))
            examples.append(Example(shared, Group(prompt[-room:], two)))
    return Fitting(examples, truncated, len(pairs) - len(examples))


def _rankings(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs of one ranking together, every other pair alone, in the order of the pairs."""
    names = ((pair.group and (pair.group, pair.split)) or pair.id for pair in pairs)
    together: dict[object, list[Pair]] = {}
    for name, pair in zip(names, pairs, strict=True):
        together.setdefault(name, []).append(pair)
    return list(together.values())


def rankings(examples: Sequence[Example]) -> list[list[int]]:
    """Numbers of the examples of one ranking together, every other example alone."""
    together: dict[object, list[int]] = {}
    for number, example in enumerate(examples):
        together.setdefault(example.pair.group or number, []).append(number)
    return list(together.values())


def merged(examples: Sequence[Example]) -> tuple[list[Group], list[list[int]]]:
    """The examples with each prompt and each response of a ranking once.

    Returns:
        Groups, and for each example the places of its chosen and its rejected response among all
        responses of the groups.
    """
    groups: list[Group] = []
    places: list[list[int]] = [[] for _ in examples]
    count = 0
    for numbers in rankings(examples):
        members = [examples[number].group for number in numbers]
        known: dict[tuple[int, ...], int] = {}
        for number, member in zip(numbers, members, strict=True):
            for response in member.responses:
                known.setdefault(tuple(response), len(known))
            places[number] = [count + known[tuple(r)] for r in member.responses]
        groups.append(Group(members[0].prompt, [list(response) for response in known]))
        count += len(known)
    return groups, places


def example_passes(examples: Sequence[Example], budget: int) -> list[list[int]]:
    """Split examples into passes of at most `budget` tokens each, see `batches.passes`.

    A ranking is never split, because its responses are computed once.

    Returns:
        Numbers of the examples, each once.
    """
    units = rankings(examples)
    groups = [merged([examples[number] for number in unit])[0][0] for unit in units]
    return [
        [number for place in part for number in units[place]] for part in passes(groups, budget)
    ]
