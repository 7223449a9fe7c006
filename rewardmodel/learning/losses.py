"""How wrong a reward model is about one pair."""

from torch import Tensor
from torch.nn import functional as F


def preference_loss(
    chosen: Tensor,
    rejected: Tensor,
    preference: Tensor,
    margin: Tensor | float = 0.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Bradley-Terry: surprise, in nats, of a judge who believes the scores.

    The judge prefers `chosen` with probability sigmoid(chosen - rejected). Whichever response is
    the better one has to lead by the margin, so naming the two the other way round, with the
    opposite preference, is the same pair and costs the same.

    Args:
        chosen, rejected: scores, (B,).
        preference: (B,), probability that `chosen` is the better one: a vote share, a posterior,
            or 1 for a sure label.
        margin: (B,) or one number, by how much the better score should lead.
        label_smoothing: share of labels believed to be flipped, in [0, 0.5).

    Returns:
        (B,), not negative.

    Source: Ouyang et al. 2022 (arXiv:2203.02155), equation 1; the margin is that of Touvron et al.
    2023 (arXiv:2307.09288), equation 2; soft targets are its cross-entropy.
    """
    target = preference * (1 - label_smoothing) + (1 - preference) * label_smoothing  # (B,)
    lead = chosen - rejected  # (B,)
    return -(target * F.logsigmoid(lead - margin) + (1 - target) * F.logsigmoid(-lead - margin))


def centring_penalty(chosen: Tensor, rejected: Tensor) -> Tensor:
    """How far a pair stands from zero: a preference leaves the level of the scores free.

    Args:
        chosen, rejected: scores, (B,).

    Returns:
        (B,), squared sum of the two scores.

    Source: Eisenstein et al. 2023 (arXiv:2312.09244), section 2.
    """
    return (chosen + rejected) ** 2
