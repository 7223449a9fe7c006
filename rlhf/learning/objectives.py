"""What is learned from the same answers: by PPO with a critic, by RLOO, or by DPO."""

from typing import NamedTuple

import torch
from torch import Tensor

from rlhf.learning.advantages import (
    generalized_advantages,
    leave_one_out,
    shaped_rewards,
    whiten,
)
from rlhf.learning.losses import (
    KL_ESTIMATORS,
    importance,
    policy_loss,
    preference_loss,
    value_loss,
)
from rlhf.learning.policy import Opinion
from rlhf.learning.rollouts import Lesson, Rollout
from rlhf.learning.settings import PPOTraining


class Losses(NamedTuple):
    """What a pass costs, as its part of the step's loss."""

    actor: Tensor
    critic: Tensor  # zero where the algorithm has none


def lesson_of(
    config: PPOTraining, seen: Rollout, scores: Tensor, kl_coef: float
) -> tuple[Lesson, Tensor]:
    """What is to be learned from every token, and the rewards it follows from, (B, T).

    Args:
        config: how.
        seen: the answers.
        scores: as the policy is paid, (B,).
        kl_coef: score given up per nat away from the reference.
    """
    kl = KL_ESTIMATORS[config.kl_estimator](seen.log_ratio)  # (B, T) nats
    rewards = shaped_rewards(scores, kl, seen.mask, kl_coef, seen.critic_mask)
    if config.algorithm == "rloo":
        ahead = leave_one_out(rewards.sum(1), config.answers_per_prompt)  # (B,)
        return Lesson.of(seen, ahead[:, None] * seen.mask, torch.zeros_like(rewards)), rewards
    if config.algorithm == "dpo":
        nothing = torch.zeros_like(rewards)
        return Lesson.of(seen, nothing, nothing), rewards
    if config.whiten_rewards:
        rewards = whiten(rewards, seen.critic_mask, shift_mean=False)
    advantages, returns = generalized_advantages(
        rewards, seen.values, seen.critic_mask, config.gamma, config.lam
    )
    return Lesson.of(seen, whiten(advantages, seen.mask), returns), rewards


def losses(
    config: PPOTraining, now: Opinion, part: Lesson, tokens: float, asked: float, rows: int
) -> Losses:
    """The losses of one pass, so weighted that those of a step's passes add up to the step's.

    Args:
        config: how.
        now: the policy's opinion, with gradient.
        part: the answers of the pass.
        tokens: sampled in the whole step.
        asked: places of the whole step at which the critic was asked.
        rows: answers of the whole step.
    """
    nothing = now.logprobs.new_zeros(())
    if config.algorithm == "dpo":
        leads = config.dpo_beta * (now.logprobs - part.ref_logprobs).sum(1)
        return Losses(preference_loss(leads, part.scores) * len(part.scores) / rows, nothing)
    weights = None
    if config.importance_cap:
        weights = importance(part.logprobs, part.sampled_logprobs, part.mask, config.importance_cap)
    actor = policy_loss(
        now.logprobs,
        part.logprobs,
        part.advantages,
        part.mask,
        config.clip,
        config.clip_high,
        config.dual_clip,
        weights,
    )
    actor = actor * part.mask.sum() / tokens
    if not config.has_critic:
        return Losses(actor, nothing)
    critic = value_loss(now.values, part.values, part.returns, part.critic_mask, config.value_clip)
    return Losses(actor, critic * part.critic_mask.sum() / asked)
