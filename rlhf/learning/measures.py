"""What an update tells about the policy: how far it moved, and what its answers are like."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rewardmodel.learning.processes import Crew
from rlhf.learning.advantages import masked_mean
from rlhf.learning.losses import clip_fraction, kl_k3, probability_ratio
from rlhf.learning.rollouts import Rollout

SAME = 1e-4  # largest |ratio - 1| that rounding explains when nothing has been trained yet


class Movement:
    """How far the policy is from the one that sampled, added up over the passes of a step."""

    def __init__(self, clip: float, clip_high: float) -> None:
        self.clip = clip
        self.clip_high = clip_high
        self.sums = torch.zeros(6, dtype=torch.float64)
        self.largest = 0.0

    def add(self, logprobs: Tensor, part: Rollout, actor: float, critic: float) -> None:
        """Count one pass: its log-probabilities now, and its parts of the step's losses."""
        ratio = probability_ratio(logprobs, part.logprobs)
        tokens = part.mask.sum()
        clipped = clip_fraction(logprobs, part.logprobs, part.mask, self.clip, self.clip_high)
        self.sums += torch.tensor(
            [
                tokens.item(),
                (ratio * part.mask).sum().item(),
                (kl_k3(part.logprobs - logprobs) * part.mask).sum().item(),
                (clipped * tokens).item(),
                actor,
                critic,
            ],
            dtype=torch.float64,
        )
        self.largest = max(self.largest, ((ratio - 1).abs() * part.mask).max().item())

    def told(self, crew: Crew) -> dict[str, float]:
        """Means over the tokens of the step, of all processes."""
        tokens, ratio, kl, clipped, actor, critic = crew.total(self.sums)[0].tolist()
        (excess,) = crew.total(torch.tensor(float(not self.largest <= SAME)))
        return {
            "ratio": ratio / tokens,
            "largest_ratio_change": self.largest if excess == 0 else max(self.largest, 2 * SAME),
            "approx_kl": kl / tokens,
            "clip_fraction": clipped / tokens,
            "policy_loss": actor,
            "value_loss": critic,
        }


def check_nothing_moved(step: dict[str, float]) -> None:
    """Before the first step the ratio is 1 everywhere, or the old log-probabilities are wrong.

    Raises:
        RuntimeError: they are.
    """
    if not step["largest_ratio_change"] <= SAME or step["clip_fraction"] > 0:
        raise RuntimeError(
            "The policy's log-probabilities changed between sampling and the first step (largest "
            f"change of a ratio {step['largest_ratio_change']:.2g}): the run would learn from "
            "wrong ratios, so it stops; report this with the model and the device."
        )


def looks_of(seen: Rollout) -> dict[str, float]:
    """What the answers are like."""
    return {
        "score": seen.scores.mean().item(),
        "score_std": seen.scores.std().item(),
        "kl": seen.log_ratio.sum(1).mean().item(),
        "entropy": masked_mean(seen.entropy, seen.mask).item(),
        "length": seen.mask.sum(1).float().mean().item(),
        "eos_rate": seen.ended.float().mean().item(),
        "repetition": seen.repetition,
        "engine_gap": seen.engine_gap,
    }


def average(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the optimiser steps of an update."""
    means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
    return {name: mean for name, mean in means.items() if name != "largest_ratio_change"}
