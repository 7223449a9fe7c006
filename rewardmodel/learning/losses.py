"""How wrong a reward model is about one pair.

What a judge who believes the scores would say follows from the lead of the one over the other:
Bradley-Terry knows two answers, Davidson and Rao-Kupper also know "neither is better". Strength
acts in one way in all of them: people who prefer `chosen` by so much expect so much of a lead, so
the margin is taken off the lead, whichever answer is asked about. The best lead for a vote share is
then its log-odds plus the margin, and the probabilities still sum to one.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LOSSES = ("bradley-terry", "davidson", "rao-kupper")
TIE_LOSSES = ("davidson", "rao-kupper")


def preference_loss(
    chosen: Tensor,
    rejected: Tensor,
    preference: Tensor,
    margin: Tensor | float = 0.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Bradley-Terry: surprise, in nats, of a judge who believes the scores.

    The judge prefers `chosen` with probability sigmoid(chosen - rejected - margin).

    Args:
        chosen, rejected: scores, (B,).
        preference: (B,), probability that `chosen` is the better one: a vote share, a posterior,
            or 1 for a sure label. A tie is one half.
        margin: (B,) or one number, by how much `chosen` should lead.
        label_smoothing: share of labels believed to be flipped, in [0, 0.5).

    Returns:
        (B,), not negative.

    Source: Ouyang et al. 2022 (arXiv:2203.02155), equation 1; the margin is that of Touvron et al.
    2023 (arXiv:2307.09288), equation 2; soft targets are its cross-entropy.
    """
    target = preference * (1 - label_smoothing) + (1 - preference) * label_smoothing  # (B,)
    lead = chosen - rejected - margin  # (B,)
    return -(target * F.logsigmoid(lead) + (1 - target) * F.logsigmoid(-lead))


def tie_loss(
    chosen: Tensor,
    rejected: Tensor,
    outcomes: Tensor,
    loss: str,
    tie: Tensor,
    margin: Tensor | float = 0.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Surprise, in nats, of a judge who believes the scores and may say "neither".

    Args:
        chosen, rejected: scores, (B,).
        outcomes: (B, 3), probabilities that chosen is better, that neither is, that rejected is.
        loss: "davidson" or "rao-kupper".
        tie: the free number behind its tie parameter, see `tie_parameter`.
        margin: (B,) or one number, by how much `chosen` should lead.
        label_smoothing: share of preferences believed to be flipped, in [0, 0.5); ties stay ties.

    Returns:
        (B,), not negative.
    """
    smoothed = outcomes * (1 - label_smoothing) + outcomes.flip(1) * label_smoothing  # (B, 3)
    log_chances = tie_log_chances(chosen - rejected - margin, loss, tie)  # (B, 3)
    return -(smoothed * log_chances).sum(1)


def tie_log_chances(lead: Tensor, loss: str, tie: Tensor) -> Tensor:
    """Log-probabilities of: chosen is better, neither is, rejected is.

    Davidson: in the ratio e^(lead/2) : nu : e^(-lead/2). A tie is likeliest between equals, and
    nu / (nu + 2) of such pairs are ties. Without ties, Bradley-Terry.
    Rao-Kupper: a judge notices no difference below eta, so each side has to win by that:
    sigmoid(lead - eta) and sigmoid(-lead - eta); the rest are ties.

    Args:
        lead: (B,).
        loss: "davidson" or "rao-kupper".
        tie: the free number behind nu or eta, see `tie_parameter`.

    Returns:
        (B, 3).

    Source: Davidson 1970 (JASA 65:317); Rao and Kupper 1967 (JASA 62:194).
    """
    if loss == "davidson":
        log_odds = torch.stack([lead / 2, tie.expand_as(lead), -lead / 2], dim=1)  # (B, 3)
        return F.log_softmax(log_odds, dim=1)
    eta = tie.exp()
    first, second = F.logsigmoid(lead - eta), F.logsigmoid(-lead - eta)  # (B,) each
    # log(e^(2 eta) - 1), written so that neither a small nor a large eta loses its digits
    neither = 2 * eta + torch.log(-torch.expm1(-2 * eta)) + first + second
    return torch.stack([first, neither, second], dim=1)


def tie_parameter(tie: float) -> float:
    """nu of Davidson or eta of Rao-Kupper: both are above 0, so their logarithm is learned."""
    return math.exp(tie)


def tie_start(share: float, loss: str) -> float:
    """The free number at which equals tie as often as all pairs do, where learning begins.

    Args:
        share: of ties among all answers, in (0, 1).
        loss: "davidson" or "rao-kupper".
    """
    if loss == "davidson":
        return math.log(2 * share / (1 - share))
    return math.log(math.log((1 + share) / (1 - share)))


def centring_penalty(chosen: Tensor, rejected: Tensor) -> Tensor:
    """How far a pair stands from zero: a preference leaves the level of the scores free.

    Args:
        chosen, rejected: scores, (B,).

    Returns:
        (B,), squared sum of the two scores.

    Source: Eisenstein et al. 2023 (arXiv:2312.09244), section 2.
    """
    return (chosen + rejected) ** 2
