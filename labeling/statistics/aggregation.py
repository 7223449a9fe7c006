"""What several judges' answers to each pair say together, as chances of three outcomes.

Dawid-Skene, MACE and GLAD are crowd-kit's. They know nothing of sides, so a judge's leaning to one
is noise to them; `skill` (see skill.py) knows sides.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np

from labeling.statistics.skill import fit_skill
from labeling.statistics.votes import Numbers, Votes

SEED = 0


class Method(StrEnum):
    """How answers to one pair become its label."""

    SHARES = "shares"  # of votes, as they are
    MAJORITY = "majority"  # what most said; shared out evenly where several are most
    DAWID_SKENE = "dawid_skene"  # each judge's own confusion of answers
    MACE = "mace"  # each judge either knows or answers by habit
    GLAD = "glad"  # each judge's ability and each pair's difficulty
    SKILL = "skill"  # Bradley-Terry with skill, side bias and ties


def aggregate(votes: Votes, method: Method) -> Numbers:
    """Chances that the first is better, neither is, and the second is: (P, 3), rows sum up to 1."""
    return METHODS[method](votes)


def shares(votes: Votes) -> Numbers:
    return votes.counts / votes.counts.sum(axis=1, keepdims=True)


def majority(votes: Votes) -> Numbers:
    most = votes.counts == votes.counts.max(axis=1, keepdims=True)
    return most / most.sum(axis=1, keepdims=True)


def dawid_skene(votes: Votes) -> Numbers:
    """Source: Dawid and Skene 1979, Applied Statistics 28:20."""
    from crowdkit.aggregation import DawidSkene  # pandas and more: loaded only where it is needed

    return _chances(DawidSkene(n_iter=100).fit(_table(votes)).probas_, votes)


def mace(votes: Votes) -> Numbers:
    """Source: Hovy et al. 2013, Learning Whom to Trust with MACE (NAACL)."""
    from crowdkit.aggregation import MACE

    return _chances(MACE(random_state=SEED).fit(_table(votes)).probas_, votes)


def glad(votes: Votes) -> Numbers:
    """Source: Whitehill et al. 2009, Whose Vote Should Count More (NIPS)."""
    from crowdkit.aggregation import GLAD

    return _chances(GLAD(n_iter=100).fit(_table(votes)).probas_, votes)


def skill(votes: Votes) -> Numbers:
    return fit_skill(votes).shares


METHODS: dict[Method, Callable[[Votes], Numbers]] = {
    Method.SHARES: shares,
    Method.MAJORITY: majority,
    Method.DAWID_SKENE: dawid_skene,
    Method.MACE: mace,
    Method.GLAD: glad,
    Method.SKILL: skill,
}


def _table(votes: Votes) -> Any:
    """What crowd-kit reads: a row for each answer."""
    import pandas as pd

    return pd.DataFrame({"task": votes.pair, "worker": votes.judge, "label": votes.answer})


def _chances(found: Any, votes: Votes) -> Numbers:
    """crowd-kit's table with one row a pair; an answer that nobody ever gave has no column."""
    chances = np.zeros((len(votes.pairs), 3))
    for answer in found.columns:
        chances[found.index.to_numpy(), int(answer)] = found[answer].to_numpy()
    return chances / chances.sum(axis=1, keepdims=True)
