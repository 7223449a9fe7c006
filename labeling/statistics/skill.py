"""Bradley-Terry with the labelers' skill and side bias, ties as Davidson has them.

How much better the second response of a pair is, d, is unknown and normal over the pairs; a judge
of skill a who leans to the left by b sees

    h = a d + b s,    s = 1 where the second stands on the left, -1 where the first does, else 0

and says "second", "first" or "neither" with odds exp(h/2) : exp(-h/2) : v. The d are integrated
out, so that a judge's figures don't suffer from how few answers a single pair has; figures of the
judges are the most likely ones under weak priors, and their intervals follow from the curvature.

Sources: Davidson 1970 (JASA 65:317) for ties; Chen et al. 2013 (WSDM, crowdsourced Bradley-Terry)
for judges of unequal skill; Bock and Aitkin 1981 (Psychometrika 46:443) for integrating d out;
Berndt et al. 1974 (Annals of Economic and Social Measurement 3:653) for the curvature.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from labeling.statistics.votes import FIRST, NEITHER, SECOND, Numbers, Votes

NODES = 21  # of the quadrature over d
MOST = 100_000  # answers that judges are estimated from: more make no figure visibly surer
FURTHEST = 300.0  # of h/2, beyond which nothing changes and exp ends
AT_ONCE = 50_000  # answers whose arrays of (answers, nodes) are in memory together
# Means and standard deviations of the priors: what is known of a judge before the first answer.
SKILL, SKILL_SPREAD = 2.0, 2.0
SIDE_SPREAD = 1.0
TIES_SPREAD = 1.0  # of a judge's own tendency to say "neither" about everybody's
ALL_TIES_SPREAD = 3.0
ROUNDS = 200


@dataclass(frozen=True)
class Estimated:
    """A figure of one judge with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SkillFit:
    """What the answers say about pairs and judges.

    Attributes:
        shares: how a judge of median skill without side bias would answer each pair: the chances
            of first, neither and second, (P, 3).
        skill: how often each judge who decides picks the better response of a pair, by name.
        left: how often each would choose the left one of two equally good ones; without those who
            never saw sides.
    """

    shares: Numbers
    skill: dict[str, Estimated]
    left: dict[str, Estimated]


@dataclass(frozen=True)
class _Parameters:
    skill: Numbers  # (J,)
    side: Numbers  # (J,)
    ties: Numbers  # (J,) beside everybody's
    all_ties: float

    @classmethod
    def of(cls, x: Numbers) -> "_Parameters":
        skill, side, ties = x[:-1].reshape(3, -1)
        return cls(skill, side, ties, float(x[-1]))


def fit_skill(votes: Votes) -> SkillFit:
    """Judge the judges by each other's answers; a pair with one answer says little, but something.

    Where there are very many answers, a random part of the pairs is enough to know the judges.

    Args:
        votes: at least one.
    """
    every, votes = votes, _enough(votes)
    judges = len(votes.judges)
    start = np.concatenate([np.full(judges, SKILL), np.zeros(2 * judges + 1)])
    found = minimize(
        lambda x: _objective(x, votes),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ROUNDS},
    ).x
    errors = _errors(found, votes)
    best = _Parameters.of(found)
    seen = np.bincount(votes.judge, votes.side != 0, judges)
    skill_error, side_error = errors[:judges], errors[judges : 2 * judges]
    return SkillFit(
        _answers_expected(found, every),
        {
            name: _estimated(best.skill[at], skill_error[at], picks_the_better)
            for at, name in enumerate(votes.judges)
        },
        {
            name: _estimated(best.side[at], side_error[at], lambda b: float(expit(b)))
            for at, name in enumerate(votes.judges)
            if seen[at]
        },
    )


def _enough(votes: Votes) -> Votes:
    """The answers to so many pairs, drawn at random, as the judges can be estimated from."""
    if len(votes.pair) <= MOST:
        return votes
    share = MOST / len(votes.pair)
    drawn = np.random.default_rng(0).random(len(votes.pairs)) < share
    kept = drawn[votes.pair]
    return Votes(
        votes.pairs[drawn],
        votes.judges,
        (np.cumsum(drawn) - 1)[votes.pair[kept]],
        votes.judge[kept],
        votes.answer[kept],
        votes.side[kept],
    )


def picks_the_better(skill: float) -> float:
    """How often a judge of this skill who decides picks the better one, over all pairs."""
    at, weight = _nodes()
    return float(weight @ expit(skill * np.abs(at)))


def _estimated(value: float, error: float, of: Callable[[float], float]) -> Estimated:
    """A rising function of a parameter, with the interval of the parameter carried over."""
    return Estimated(of(value), of(value - 1.96 * error), of(value + 1.96 * error))


def _nodes() -> tuple[Numbers, Numbers]:
    """Values of d and their weights, (K,) each, which sum up to 1."""
    at, weight = np.polynomial.hermite_e.hermegauss(NODES)
    return at, weight / weight.sum()


def _odds(seen: Numbers, ties: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Odds of first, neither and second as Davidson has them, from h and the log of v."""
    second = np.exp(np.clip(seen / 2, -FURTHEST, FURTHEST))
    return 1 / second, np.exp(ties), second


def _pieces(votes: Votes) -> list[tuple[slice, slice]]:
    """Ranges of answers and of their pairs that are worked on together."""
    pieces, pair = [], 0
    starts = np.append(votes.starts, len(votes.pair))
    while pair < len(votes.pairs):
        last = int(np.searchsorted(starts, starts[pair] + AT_ONCE, side="right")) - 1
        last = min(max(last, pair + 1), len(votes.pairs))
        pieces.append((slice(starts[pair], starts[last]), slice(pair, last)))
        pair = last
    return pieces


@dataclass(frozen=True)
class _Piece:
    """What one range of answers says under given parameters."""

    loglik: Numbers  # of each pair
    posterior: Numbers  # of d, (pairs, K)
    skill: Numbers  # d loglik / d the answering judge's skill, and so on: (answers,) each
    side: Numbers
    ties: Numbers


def _piece(p: _Parameters, votes: Votes, answers: slice, pairs: slice) -> _Piece:
    at, weight = _nodes()
    judge, answer, side = votes.judge[answers], votes.answer[answers], votes.side[answers]
    pair = votes.pair[answers] - pairs.start
    seen = p.skill[judge, None] * at + (p.side[judge] * side)[:, None]  # (n, K)
    first, neither, second = _odds(seen, (p.all_ties + p.ties[judge])[:, None])
    whole = first + neither + second
    said = np.choose(answer[:, None], [first, neither, second]) / whole
    joint = np.add.reduceat(np.log(said), votes.starts[pairs] - answers.start, axis=0)
    joint += np.log(weight)
    largest = joint.max(axis=1, keepdims=True)
    posterior = np.exp(joint - largest)
    total = posterior.sum(axis=1, keepdims=True)
    posterior /= total
    given = posterior[pair]
    towards = ((answer == SECOND) - 1.0 * (answer == FIRST)) / 2
    by_seen = given * (towards[:, None] - (second - first) / (2 * whole))
    return _Piece(
        (largest + np.log(total))[:, 0],
        posterior,
        skill=by_seen @ at,
        side=by_seen.sum(axis=1) * side,
        ties=(answer == NEITHER) - (given * neither / whole).sum(axis=1),
    )


def _prior(x: Numbers) -> tuple[Numbers, Numbers]:
    """Means and precisions of all parameters."""
    judges = len(x) // 3
    spread = [SKILL_SPREAD, SIDE_SPREAD, TIES_SPREAD]
    means = np.concatenate([np.full(judges, SKILL), np.zeros(2 * judges + 1)])
    spreads = np.append(np.repeat(spread, judges), ALL_TIES_SPREAD)
    return means, 1 / spreads**2


def _objective(x: Numbers, votes: Votes) -> tuple[float, Numbers]:
    """The negative log of the posterior for each answer, and its gradient."""
    p, judges = _Parameters.of(x), len(votes.judges)
    means, precisions = _prior(x)
    total = -0.5 * float(precisions @ (x - means) ** 2)
    gradient = -precisions * (x - means)
    for answers, pairs in _pieces(votes):
        piece = _piece(p, votes, answers, pairs)
        total += float(piece.loglik.sum())
        for place, part in enumerate((piece.skill, piece.side, piece.ties)):
            own = slice(place * judges, (place + 1) * judges)
            gradient[own] += np.bincount(votes.judge[answers], part, judges)
        gradient[-1] += piece.ties.sum()
    return -total / len(votes.pair), -gradient / len(votes.pair)


def _errors(x: Numbers, votes: Votes) -> Numbers:
    """Standard errors of all parameters, from the spread of the pairs' gradients."""
    p, judges = _Parameters.of(x), len(votes.judges)
    information = np.diag(_prior(x)[1])
    for answers, pairs in _pieces(votes):
        piece = _piece(p, votes, answers, pairs)
        judge, pair = votes.judge[answers], votes.pair[answers] - pairs.start
        columns = [judge, judge + judges, judge + 2 * judges, np.full_like(judge, len(x) - 1)]
        slopes = csr_matrix(
            (
                np.concatenate([piece.skill, piece.side, piece.ties, piece.ties]),
                (np.tile(pair, 4), np.concatenate(columns)),
            ),
            shape=(pairs.stop - pairs.start, len(x)),
        )
        information += (slopes.T @ slopes).toarray()
    return np.sqrt(np.diag(np.linalg.inv(information)))


def _answers_expected(x: Numbers, votes: Votes) -> Numbers:
    """How a judge of median skill and no side bias would answer each pair, (P, 3)."""
    p, (at, _) = _Parameters.of(x), _nodes()
    ties = np.array(p.all_ties + np.median(p.ties))
    odds = np.stack(np.broadcast_arrays(*_odds(np.median(p.skill) * at, ties)))  # (3, K)
    chances = odds / odds.sum(axis=0)
    return np.concatenate(
        [_piece(p, votes, *piece).posterior @ chances.T for piece in _pieces(votes)]
    )
