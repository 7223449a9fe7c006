"""Which words two texts do not share, so that the page can mark them."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from html.parser import HTMLParser

LONGEST = 2000  # words of one response; beyond, comparing takes longer than a reader waits

# The same in every language that splits a text: the page counts its words in the same way.
WORD = re.compile(r"[^ \t\n\r\f\v]+")
_PIECE = re.compile(r"\s*\S+|\s+$")  # a word with the white space before it


@dataclass(frozen=True)
class Side:
    """One response: how many words it has, and which runs of them the other lacks."""

    words: int
    runs: str  # "3-5 9-10": from a word up to, but not with, another


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def words_of(html: str) -> list[str]:
    """The words a browser shows of our own clean HTML, in its order."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    return WORD.findall("".join(reader.parts))


@lru_cache(maxsize=256)  # one pair is shown to several labelers
def differences(one: str, other: str) -> tuple[Side, Side] | None:
    """What differs between two rendered responses, or None when they are too long to compare."""
    mine, theirs = words_of(one), words_of(other)
    if max(len(mine), len(theirs)) > LONGEST:
        return None
    changes = [
        change
        for change in SequenceMatcher(None, mine, theirs).get_opcodes()
        if change[0] != "equal"
    ]
    return (
        Side(len(mine), " ".join(f"{i}-{j}" for _, i, j, _, _ in changes if i < j)),
        Side(len(theirs), " ".join(f"{i}-{j}" for _, _, _, i, j in changes if i < j)),
    )


@dataclass(frozen=True)
class Change:
    """A run of one text, of the other, or of both, white space included."""

    kind: str  # "same", "removed" or "added"
    text: str


def changes(before: str, after: str) -> list[Change] | None:
    """How one text was made from another, word by word; None when they are too long to compare.

    What is not removed is the text after, what is not added the text before.
    """
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    if max(len(old), len(new)) > LONGEST:
        return None
    made = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            made.append(Change("same", "".join(new[k:m])))
            continue
        if i < j:
            made.append(Change("removed", "".join(old[i:j])))
        if k < m:
            made.append(Change("added", "".join(new[k:m])))
    return made
