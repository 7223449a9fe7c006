"""How skilled each labeler is, which side each leans to, and what the answers then say together.

A labeler names the better response with log-odds `skill`, and leans to the left with log-odds
`lean` on top: the chance of naming the better one is sigmoid(skill + lean) where that stood on the
left, and sigmoid(skill - lean) where it stood on the right. Nobody knows which response is better,
so expectation-maximisation finds both together: from the answers' probabilities the skills, from
the skills the probabilities. Answers "neither" say nothing here.

Source: Dawid and Skene 1979 (Applied Statistics 28:20), with the side as a covariate; priors as in
Raykar et al. 2010 (JMLR 11:1297).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from rewardmodel.learning.pairs import Ballot, Pair

FEWEST_REPEATED = 20  # pairs with two preferences, below which skill can't be told from luck
USUAL_SKILL, SKILL_SPREAD = 1.5, 1.0  # prior: most name the better response 62 % to 92 % of times
LEAN_SPREAD = 1.0  # prior of the lean, around none
ROUNDS, SETTLED = 200, 1e-6  # of expectation-maximisation, and the change that ends it


@dataclass(frozen=True)
class Labelers:
    """What was estimated, and what follows for each pair."""

    names: list[str]
    skill: np.ndarray  # (L,) log-odds of naming the better response, both sides taken together
    lean: np.ndarray  # (L,) log-odds towards the left
    answers: np.ndarray  # (L,) preferences that each gave
    log_odds: np.ndarray  # (n,) that the chosen response is the better one, by all answers


def estimated(pairs: Sequence[Pair]) -> Labelers:
    """Estimate skills and leans from the ballots of these pairs.

    Raises:
        ValueError: too few pairs have two preferences by known people.
    """
    given = [
        (number, ballot.by, np.sign(ballot.answer), ballot.side)
        for number, pair in enumerate(pairs)
        for ballot in pair.ballots
        if ballot.answer
    ]
    pair_of = np.array([each[0] for each in given], dtype=int)
    repeated = int((np.bincount(pair_of, minlength=1) >= 2).sum())
    if repeated < FEWEST_REPEATED:
        raise ValueError(
            f"Labelers' skills need {FEWEST_REPEATED} pairs that two people decided on, and there "
            f"are {repeated}; raise the campaign's overlap, or learn from shares."
        )
    names, labeler = np.unique([each[1] for each in given], return_inverse=True)
    answer, side = (np.array([each[n] for each in given], dtype=float) for n in (2, 3))

    def log_odds(skill: np.ndarray, lean: np.ndarray) -> np.ndarray:
        towards = answer * lean[labeler] * side
        helped = answer * skill[labeler]  # where the chosen response is the better one
        told = log_expit(towards + helped) - log_expit(towards - helped)
        return np.bincount(pair_of, told, minlength=len(pairs))

    skill, lean = np.full(len(names), USUAL_SKILL), np.zeros(len(names))
    for _ in range(ROUNDS):
        chosen_better = expit(log_odds(skill, lean))[pair_of]
        before = skill, lean
        skill, lean = _fitted(labeler, answer, side, chosen_better, skill, lean)
        if max(np.abs(skill - before[0]).max(), np.abs(lean - before[1]).max()) < SETTLED:
            break
    counts = np.bincount(labeler, minlength=len(names))
    return Labelers([str(name) for name in names], skill, lean, counts, log_odds(skill, lean))


def _fitted(
    labeler: np.ndarray,
    answer: np.ndarray,
    side: np.ndarray,
    chosen_better: np.ndarray,
    skill: np.ndarray,
    lean: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step of each labeler's logistic regression on the truth, as far as it is known."""

    def of_each(values: np.ndarray) -> np.ndarray:
        return np.bincount(labeler, values, minlength=len(skill))

    # first the priors, then what the answers add
    gradient = np.array([-(skill - USUAL_SKILL) / SKILL_SPREAD**2, -lean / LEAN_SPREAD**2])
    curvature = np.outer([1 / SKILL_SPREAD**2, 1 / LEAN_SPREAD**2, 0], np.ones(len(skill)))
    for truth, weight in ((1.0, chosen_better), (-1.0, 1 - chosen_better)):
        chance = expit(skill[labeler] * truth + lean[labeler] * side)  # of answering "chosen"
        left = weight * ((answer > 0) - chance)
        spread = weight * chance * (1 - chance)
        gradient += np.array([of_each(left * truth), of_each(left * side)])
        curvature += np.array([of_each(spread * each) for each in (1, side**2, truth * side)])
    a, b, c = curvature
    determinant = a * b - c**2
    return (
        skill + np.clip((b * gradient[0] - c * gradient[1]) / determinant, -1, 1),
        lean + np.clip((a * gradient[1] - c * gradient[0]) / determinant, -1, 1),
    )


def labeler_figures(found: Labelers) -> dict[str, float]:
    """What a page tells about all labelers together, never about one."""
    right = expit(found.skill)
    return {
        "labelers": len(found.names),
        "labeler_skill_median": float(np.median(right)),
        "labeler_skill_lowest": float(right.min()),
        "labeler_skill_highest": float(right.max()),
        "labeler_lean_largest": float(expit(np.abs(found.lean)).max()),
    }


def ranked_strengths(pairs: Sequence[Pair]) -> list[float]:
    """Each pair's margin with every labeler's strengths ranked among that labeler's own, (n,).

    One person's "much better" is another's "slightly better": the strength of an answer becomes the
    share of the same person's preferences that are weaker, equal ones counted half, so it lies in
    (0, 1) whatever part of the scale the person uses. People with fewer than FEWEST_REPEATED
    preferences are ranked among everybody's. Pairs without ballots keep their margin.
    """
    own: dict[str, list[int]] = {}
    for pair in pairs:
        for ballot in pair.ballots:
            if ballot.answer:
                own.setdefault(ballot.by, []).append(abs(ballot.answer))
    everybody = np.sort([strength for each in own.values() for strength in each])
    scales = {
        name: np.sort(each) if len(each) >= FEWEST_REPEATED else everybody
        for name, each in own.items()
    }

    def signed_rank(ballot: Ballot) -> float:
        if not ballot.answer:
            return 0.0
        scale, strength = scales[ballot.by], abs(ballot.answer)
        below, upto = (np.searchsorted(scale, strength, side) for side in ("left", "right"))
        return float(np.sign(ballot.answer) * (below + upto) / 2 / len(scale))

    return [
        max(0.0, sum(map(signed_rank, pair.ballots)) / len(pair.ballots))
        if pair.ballots
        else pair.margin
        for pair in pairs
    ]
