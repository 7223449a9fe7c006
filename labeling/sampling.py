"""How many of each category, and which: pure functions, no database."""

import random
from collections.abc import Mapping

from labeling.statistics.rounding import largest_remainders


def even_quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """So many rows over the categories, as evenly as there are rows; small ones are taken whole."""
    left, quotas = min(size, sum(counts.values())), {}
    # Smallest first: what it lacks is shared by those after it.
    order = sorted(counts, key=lambda name: (counts[name], name))
    for place, name in enumerate(order):
        quotas[name] = min(counts[name], left // (len(order) - place))
        left -= quotas[name]
    return quotas


def proportional_quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """So many rows over the categories, in the shares in which the file has them."""
    total = sum(counts.values())
    if size >= total:
        return dict(counts)
    return largest_remainders({name: size * count / total for name, count in counts.items()})


class Draw:
    """Picks exactly the quota of each category from rows that pass by once, each equally likely.

    Source: Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S.
    """

    def __init__(self, counts: Mapping[str, int], quotas: Mapping[str, int], seed: int) -> None:
        self._left, self._wanted = dict(counts), dict(quotas)
        self._chance = random.Random(seed)

    def takes(self, category: str) -> bool:
        """Whether this row is one of the chosen."""
        left, wanted = self._left[category], self._wanted.get(category, 0)
        self._left[category] -= 1
        chosen = self._chance.random() * left < wanted
        self._wanted[category] = wanted - chosen
        return chosen
