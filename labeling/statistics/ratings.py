"""Ratings of players from games between two: Bradley-Terry, with ties as half wins or Davidson's.

A rating is a log-odds, centred: who stands 1 above another wins exp(1) times for each defeat. A
weak normal prior keeps the rating of a player who never lost finite; its interval says how little
is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from labeling.statistics.votes import Numbers

SPREAD = 10.0  # of the prior; so wide that a hundred games move no rating by more than 0.001
REPLICATES = 200
STEPS, ENOUGH = 100, 1e-9


@dataclass(frozen=True)
class Games:
    """Games between two players each; those of a cluster (a prompt) are not independent.

    Attributes:
        players: names, (K,).
        one, other: who played, (G,) each; never the same.
        outcome: how much `one` won, from 0 to 1, a tie being one half, (G,).
        tie: 1 where neither won, else 0, (G,).
        cluster: which games are drawn together in the bootstrap, (G,), 0..C-1.
    """

    players: list[str]
    one: np.ndarray
    other: np.ndarray
    outcome: Numbers
    tie: Numbers
    cluster: np.ndarray


@dataclass(frozen=True)
class Rating:
    """One player's rating with its 95 % bootstrap interval over the clusters."""

    value: float
    low: float
    high: float
    games: int
    davidson: float  # the rating where ties are modelled


@dataclass(frozen=True)
class Ratings:
    """Who is how good, best first; `ties` is Davidson's v: two equals tie v times for two wins.

    `comparable` is false where some players never won against, or never lost to, all the others:
    then the distance between the two camps is the prior's, and only its direction is known.
    """

    of: dict[str, Rating]
    ties: float
    comparable: bool


def rate(games: Games, seed: int = 0) -> Ratings:
    """Ratings of all players who played, from one game or more."""
    values = bradley_terry(*(table[None] for table in tables(games)))[0]
    replicates = bradley_terry(*_drawn(games, seed))
    low, high = np.quantile(replicates, [0.025, 0.975], axis=0)
    modelled, ties = davidson(games)
    played = np.bincount(games.one, minlength=len(games.players))
    played += np.bincount(games.other, minlength=len(games.players))
    order = sorted(np.flatnonzero(played), key=lambda at: -values[at])
    return Ratings(
        {
            games.players[at]: Rating(
                float(values[at]),
                min(float(low[at]), float(values[at])),
                max(float(high[at]), float(values[at])),
                int(played[at]),
                float(modelled[at]),
            )
            for at in order
        },
        ties,
        _comparable(games),
    )


def bradley_terry(wins: Numbers, meetings: Numbers) -> Numbers:
    """Centred ratings from wins of each over each and their meetings, (R, K, K) each: (R, K).

    Newton's method on all R tables at once; the likelihood has one maximum.
    """
    players = wins.shape[1]
    values = np.zeros(wins.shape[:2])
    prior = np.eye(players) / SPREAD**2
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(values[:, None, :] - values[:, :, None]))  # of a over b
        slope = (wins - meetings * chance).sum(axis=2) - values / SPREAD**2
        curvature = meetings * chance * (1 - chance)
        hessian = prior - curvature
        diagonal = np.arange(players)
        hessian[:, diagonal, diagonal] += curvature.sum(axis=2)
        step = np.linalg.solve(hessian, slope[:, :, None])[:, :, 0]
        values += np.clip(step, -1, 1)  # far from the maximum a whole step may overshoot
        if np.abs(step).max() < ENOUGH:
            break
    return values - values.mean(axis=1, keepdims=True)


def davidson(games: Games) -> tuple[Numbers, float]:
    """Centred ratings where ties have a chance of their own, and how likely they are.

    The odds of one, neither and other are p : v sqrt(p q) : q.

    Source: Davidson 1970, JASA 65:317.
    """
    players = len(games.players)
    values, log_ties = np.zeros(players), -1.0
    any_ties = bool(games.tie.any())
    prior = np.diag(np.append(np.full(players, 1 / SPREAD**2), 1 / SPREAD**2))
    for _ in range(STEPS):
        gap = values[games.one] - values[games.other]
        odds = np.stack([np.exp(gap / 2), np.exp(np.full_like(gap, log_ties)), np.exp(-gap / 2)])
        won, tied, _ = odds / odds.sum(axis=0)
        expected = won + tied / 2
        slope = np.zeros(players + 1)
        np.add.at(slope, games.one, games.outcome - expected)
        np.add.at(slope, games.other, expected - games.outcome)
        slope[-1] = float((games.tie - tied).sum()) if any_ties else 0.0
        slope -= prior @ np.append(values, log_ties if any_ties else 0.0)
        # Of log-odds in (one, tie): the covariance of what a game adds to the slope.
        by_gap = won + tied / 4 - expected**2
        by_both = tied * (0.5 - expected)
        hessian = prior.copy()
        for a, b, sign in (
            *((games.one, games.one, 1), (games.other, games.other, 1)),
            *((games.one, games.other, -1), (games.other, games.one, -1)),
        ):
            np.add.at(hessian, (a, b), sign * by_gap)
        if any_ties:
            for a, sign in ((games.one, 1), (games.other, -1)):
                np.add.at(hessian[-1], a, sign * by_both)
                np.add.at(hessian[:, -1], a, sign * by_both)
            hessian[-1, -1] += float((tied * (1 - tied)).sum())
        step = np.linalg.solve(hessian, slope)
        values += np.clip(step[:-1], -1, 1)
        log_ties += float(np.clip(step[-1], -1, 1)) if any_ties else 0.0
        if np.abs(step).max() < ENOUGH:
            break
    return values - values.mean(), float(np.exp(log_ties)) if any_ties else 0.0


def tables(games: Games, weights: Numbers | None = None) -> tuple[Numbers, Numbers]:
    """Wins of each over each, ties as half wins, and how often they met: (K, K) each."""
    players = len(games.players)
    there = games.one * players + games.other
    back = games.other * players + games.one
    weight: Numbers = np.ones(len(games.one)) if weights is None else weights
    won = np.bincount(there, weight * games.outcome, players**2)
    won = won + np.bincount(back, weight * (1 - games.outcome), players**2)
    met = np.bincount(there, weight, players**2) + np.bincount(back, weight, players**2)
    square = (players, players)
    return won.reshape(square).astype(float), met.reshape(square).astype(float)


def _drawn(games: Games, seed: int) -> tuple[Numbers, Numbers]:
    """The tables of the bootstrap's replicates, (R, K, K) each: clusters drawn with return."""
    rng, clusters = np.random.default_rng(seed), int(games.cluster.max()) + 1
    even = np.full(clusters, 1 / clusters)
    drawn = [
        tables(games, rng.multinomial(clusters, even)[games.cluster].astype(float))
        for _ in range(REPLICATES)
    ]
    return np.array([wins for wins, _ in drawn]), np.array([met for _, met in drawn])


def _comparable(games: Games) -> bool:
    """Whether everybody won or tied against everybody by a chain of games (Ford 1957)."""
    wins, _ = tables(games)
    there = np.unique(np.concatenate([games.one, games.other]))
    count, _ = connected_components(wins[np.ix_(there, there)] > 0, connection="strong")
    return bool(count == 1)


def games(rows: Sequence[tuple[str, str, int, int]]) -> Games:
    """Games from (one, other, outcome, cluster): outcome -1 one won, 0 neither, 1 the other."""
    players = sorted({name for row in rows for name in row[:2]})
    place = {name: at for at, name in enumerate(players)}
    outcome = np.array([row[2] for row in rows], dtype=float)
    _, cluster = np.unique([row[3] for row in rows], return_inverse=True)
    return Games(
        players,
        np.array([place[row[0]] for row in rows], dtype=int),
        np.array([place[row[1]] for row in rows], dtype=int),
        (1 - outcome) / 2,
        (outcome == 0).astype(float),
        np.asarray(cluster).ravel(),
    )
