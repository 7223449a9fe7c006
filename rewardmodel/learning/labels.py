"""What to learn from several people's answers to one pair: shares, the majority, or a posterior."""

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy.special import expit

from rewardmodel.learning.labelers import estimated, ranked_strengths
from rewardmodel.learning.pairs import Pair, turned

LABELS = ("shares", "majority", "posterior", "labelers")
STRENGTHS = ("as said", "calibrated")
FEWEST_REPEATED = 20  # pairs with two preferences, below which a flip rate is a guess
LEAST_FLIPS, MOST_FLIPS = 0.01, 0.45  # nobody is sure beyond reach, and a coin teaches nothing


def relabelled(pairs: Sequence[Pair], labels: str, strengths: str = "as said") -> list[Pair]:
    """The pairs with the labels a run wants to learn from; those without known votes stay.

    Args:
        pairs: with shares of votes.
        labels: "shares" leaves them. "majority" is sure of what most people said. "posterior" is
            the probability that the chosen response is better, if each preference is turned round
            with one estimated flip rate and either response is better as often: for one answer
            that is label smoothing with the estimated rate, and more answers make it surer.
            "labelers" is the same with each labeler's own skill and lean, see `labelers`.
        strengths: "as said" leaves the margins, "calibrated" ranks each labeler's own.

    Raises:
        ValueError: a posterior is wanted and too few pairs were judged twice to estimate the rate.
    """
    if strengths == "calibrated":
        margins = ranked_strengths(pairs)
        pairs = [replace(pair, margin=m) for pair, m in zip(pairs, margins, strict=True)]
    if labels == "shares":
        return list(pairs)
    if labels == "labelers":
        chances = expit(estimated(pairs).log_odds).tolist()
        return [_by_labelers(pair, chance) for pair, chance in zip(pairs, chances, strict=True)]
    if labels == "majority":
        return [_majority(pair) for pair in pairs]
    flips = flip_rate(pairs)
    return [_posterior(pair, flips) for pair in pairs]


def flip_rate(pairs: Sequence[Pair]) -> float:
    """How often people prefer the response they would not, judged by how often two disagree.

    If each preference is turned round with probability e, whatever the pair, two of them agree with
    a = 1 - 2e(1 - e); solved for e.

    Raises:
        ValueError: too few pairs have two preferences.
    """
    repeated = [pair for pair in pairs if pair.votes[0] + pair.votes[2] >= 2]
    if len(repeated) < FEWEST_REPEATED:
        raise ValueError(
            f"A flip rate needs {FEWEST_REPEATED} pairs that two people decided on, and there are "
            f"{len(repeated)}; raise the campaign's overlap, or learn from shares."
        )
    agreed = together = 0
    for pair in repeated:
        chosen, _, rejected = pair.votes
        agreed += math.comb(chosen, 2) + math.comb(rejected, 2)
        together += math.comb(chosen + rejected, 2)
    flips = (1 - math.sqrt(max(0.0, 2 * agreed / together - 1))) / 2
    return min(max(flips, LEAST_FLIPS), MOST_FLIPS)


def _majority(pair: Pair) -> Pair:
    chosen, neither, rejected = pair.votes
    if neither > max(chosen, rejected):
        return replace(pair, preference=0.5, tie=1.0)
    return replace(pair, preference=1.0, tie=0.0) if chosen > rejected else pair


def _posterior(pair: Pair, flips: float) -> Pair:
    chosen, neither, rejected = pair.votes
    if not chosen + rejected:
        return pair
    ties = neither / (chosen + neither + rejected)
    odds = ((1 - flips) / flips) ** (chosen - rejected)
    return replace(pair, preference=ties / 2 + (1 - ties) * odds / (1 + odds), tie=ties)


def _by_labelers(pair: Pair, chance: float) -> Pair:
    """With the probability that their skills leave: an expert may outvote two others."""
    if not any(ballot.answer for ballot in pair.ballots):
        return pair
    ties = sum(ballot.answer == 0 for ballot in pair.ballots) / len(pair.ballots)
    told = replace(pair, preference=ties / 2 + (1 - ties) * chance, tie=ties)
    return told if told.preference >= 0.5 else turned(told)
