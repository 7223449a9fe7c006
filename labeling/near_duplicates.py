"""Texts that say nearly the same: found by MinHash, then measured exactly.

The texts' sets of five-character pieces are compared, by the share that two have in common
(Jaccard). Looking at all pairs of 50,000 texts would take hours; locality-sensitive hashing names
the few worth looking at.

Source: Broder 1997, "On the resemblance and containment of documents"; data sets of language models
are cleaned the same way, at 0.8 (Lee et al. 2022, arXiv:2107.06499).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PIECE = 5  # characters
SIMILAR = 0.8  # share of pieces in common from which on two texts are near-duplicates
PERMUTATIONS = 128
# Hashing errs to either side of its threshold. What it names too much is measured and left out;
# what it misses is gone, so it is asked for a little less than what counts.
NAMED_FROM = 0.7
LONGEST = 20_000  # characters: the beginning of a longer text stands for it


@dataclass(frozen=True)
class Near:
    """Two texts by their keys, the earlier first, and how much they have in common, 0 .. 1."""

    one: int
    other: int
    similarity: float


def pieces(text: str) -> frozenset[str]:
    """The five-character pieces of a text, whatever its case, punctuation and white space."""
    words = "".join(c if c.isalnum() else " " for c in text[:LONGEST].casefold())
    plain = " ".join(words.split())
    return frozenset(plain[i : i + PIECE] for i in range(max(1, len(plain) - PIECE + 1)))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of pieces that two texts have in common (Jaccard)."""
    return len(one & other) / len(one | other)


def near_duplicates(texts: Iterable[tuple[int, str]], at_least: float = SIMILAR) -> Iterator[Near]:
    """The pairs of texts with at least so much in common, in the order of the later one.

    Each text is compared with those before it, so a pair is named once. What is named is exact;
    of the pairs at 0.8, hashing misses fewer than one in a hundred.
    """
    from datasketch import MinHash, MinHashLSH  # brings scipy: only where it is needed

    before: list[tuple[int, str]] = []  # not their pieces, which take thirty times the memory
    index = MinHashLSH(NAMED_FROM, PERMUTATIONS, weights=(0.1, 0.9))
    sketch = MinHash(PERMUTATIONS)
    for number, (key, text) in enumerate(texts):
        own = pieces(text)
        sketch.clear()
        sketch.update_batch([piece.encode() for piece in own])
        for named in sorted(index.query(sketch)):
            earlier, words = before[named]
            common = similarity(pieces(words), own)
            if common >= at_least:
                yield Near(earlier, key, common)
        index.insert(number, sketch, check_duplication=False)
        before.append((key, text[:LONGEST]))


def groups(pairs: Iterable[Near]) -> list[list[int]]:
    """Texts that hang together by near-duplicates, the largest group first."""
    leader: dict[int, int] = {}

    def lead(key: int) -> int:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for pair in pairs:
        leader[lead(pair.other)] = lead(pair.one)
    together: dict[int, list[int]] = {}
    for key in leader:
        together.setdefault(lead(key), []).append(key)
    return sorted((sorted(group) for group in together.values()), key=lambda g: (-len(g), g))
