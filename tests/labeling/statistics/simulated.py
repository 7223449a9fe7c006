"""Labelers whose skill and side bias are known, and what they answer."""

from collections.abc import Sequence

import numpy as np

from labeling.statistics.votes import Votes, votes


def answers(
    skills: Sequence[float],
    sides: Sequence[float],
    *,
    pairs: int,
    each: int,
    ties: float = 0.0,
    seed: int = 0,
) -> tuple[Votes, np.ndarray]:
    """What so many judges (`each` of them a pair) answer, and which response is truly better.

    Bradley-Terry with skill, side bias (of the left one, in log-odds) and Davidson's ties: drawn
    from the formula, with no line of the code under test.
    """
    rng = np.random.default_rng(seed)
    better = rng.normal(size=pairs)  # above 0: the second
    rows = []
    for pair in range(pairs):
        for judge in rng.choice(len(skills), each, replace=False):
            side = int(rng.choice([-1, 1]))
            seen = skills[judge] * better[pair] + sides[judge] * side
            odds = np.array([np.exp(-seen / 2), ties, np.exp(seen / 2)])
            answer = int(rng.choice(3, p=odds / odds.sum()))
            rows.append((pair, f"j{judge:02}", answer, side))
    return votes(rows), better
