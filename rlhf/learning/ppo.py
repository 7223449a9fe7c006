"""Proximal policy optimisation of a language model against a score of whole answers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedTokenizerBase

from rewardmodel.learning.checkpoints import load_state, save_state
from rlhf.learning.advantages import generalized_advantages, masked_mean, shaped_rewards, whiten
from rlhf.learning.clock import Clock
from rlhf.learning.kl import AdaptiveKL, FixedKL, KLController
from rlhf.learning.losses import (
    KL_ESTIMATORS,
    clip_fraction,
    explained_variance,
    kl_k3,
    policy_loss,
    probability_ratio,
    value_loss,
)
from rlhf.learning.policy import Policy
from rlhf.learning.rollouts import (
    Conversation,
    Lesson,
    PolicyGenerator,
    Rollout,
    Score,
    freeze,
    generate,
    in_order,
    prompts_for,
    seeds_for,
)
from rlhf.learning.scores import RunningScale, adjusted_scores

ADAM_EPSILON = 1e-5  # of the reference; PyTorch's 1e-8 makes the first steps several times larger
SAME = 1e-4  # largest |ratio - 1| that rounding explains when nothing has been trained yet
LOST_STEPS = 10  # non-finite steps in a row after which the run is beyond recovery


@dataclass(frozen=True)
class PPOTraining:
    """How a policy is improved. The defaults hold for SmolLM2-135M on two CPU cores."""

    updates: int = 10  # rounds of sampling and training
    batch_size: int = 64  # answers sampled per update
    minibatch_size: int = 8  # answers per optimiser step; few, for more steps from each batch
    epochs: int = 1  # passes over each batch; new answers teach more than a second look at old ones
    max_response_tokens: int = 48  # longer answers are cut; scores are of the cut text
    max_prompt_tokens: int = 256  # prompts above it are left out, so that one can't fill memory
    temperature: float = 1.0  # of sampling; other values also apply to every log-probability

    tuning: Literal["lora", "full"] = "lora"
    lora_rank: int = 16
    learning_rate: float = 5e-4  # of adapters; full fine-tuning needs about a fiftieth
    value_learning_rate: float = 1e-4  # hidden states are long: 3e-3 overshoots in one step
    anneal: bool = True  # lower both rates linearly, to a tenth at the last update
    max_grad_norm: float = 1.0

    clip: float = 0.2  # furthest useful change of a token's probability ratio
    value_clip: float = 0.2  # furthest useful change of a value per update, in units of score
    value_coef: float = 0.01  # weight of the critic's loss; to the shared trunk it is mostly noise
    gamma: float = 1.0  # worth of a reward one token later
    lam: float = 1.0  # trust in rewards against the critic; below 1 a new critic hides the score
    stop_kl: float = 0.1  # nats per token from the sampling policy that end the passes; 0 never

    kl_coef: float = 0.02  # score given up per nat away from the reference
    kl_target: float = 0.0  # nats per answer to steer to; 0 keeps the coefficient fixed
    kl_horizon: int = 1_000  # episodes in which an adaptive coefficient moves by a fifth
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"  # in the reward, per token

    missing_eos_penalty: float = 0.0  # score taken from an answer that was cut
    score_clip: float = 0.0  # largest score that counts, either way; 0 all
    scale_scores: bool = False  # divide scores by their running standard deviation
    whiten_rewards: bool = False

    checkpoint_every: int = 1  # updates; a kill costs no more than this
    samples_every: int = 3  # updates between two looks at the same few prompts
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "minibatch_size", "epochs", "max_response_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.batch_size % self.minibatch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size} must divide batch_size={self.batch_size}."
            )
        for name in ("learning_rate", "value_learning_rate", "temperature", "clip", "value_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0.")
        for name in ("kl_coef", "kl_target", "stop_kl", "score_clip", "missing_eos_penalty"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative.")
        if not (0 <= self.gamma <= 1 and 0 <= self.lam <= 1):
            raise ValueError(f"gamma={self.gamma} and lam={self.lam} must lie between 0 and 1.")
        if self.tuning not in ("lora", "full"):
            raise ValueError(f"tuning={self.tuning!r} must be 'lora' or 'full'.")
        if self.kl_estimator not in KL_ESTIMATORS:
            raise ValueError(
                f"kl_estimator={self.kl_estimator!r} must be one of {', '.join(KL_ESTIMATORS)}."
            )

    def rate(self, update: int) -> float:
        """Share of the learning rates that is used in one update."""
        return 1 - 0.9 * update / max(self.updates - 1, 1) if self.anneal else 1.0

    def controller(self, coefficient: float) -> KLController:
        """What sets the price of divergence, once it stands at a coefficient."""
        if self.kl_target:
            return AdaptiveKL(coefficient, self.kl_target, self.kl_horizon)
        return FixedKL(coefficient)


class Learner:
    """Everything that changes while a policy is trained; saved and loaded bit for bit.

    All randomness follows from the seed and the number of the update, so there is no other state.
    """

    def __init__(self, config: PPOTraining, policy: Policy) -> None:
        self.config = config
        self.policy = policy
        self.optimizer = torch.optim.AdamW(
            [
                {"params": policy.trunk_parameters(), "lr": config.learning_rate},
                {"params": [*policy.value_head.parameters()], "lr": config.value_learning_rate},
            ],
            eps=ADAM_EPSILON,
            weight_decay=0.0,
            fused=True,
        )
        self.update = 0
        self.price = config.controller(config.kl_coef)
        self.scale = RunningScale()
        self.skipped = 0  # non-finite steps so far
        self.skipped_in_a_row = 0

    def set_rate(self, update: int) -> None:
        """Lower both learning rates to where they belong in one update."""
        trunk, value_head = self.optimizer.param_groups
        trunk["lr"] = self.config.learning_rate * self.config.rate(update)
        value_head["lr"] = self.config.value_learning_rate * self.config.rate(update)

    def descend(self, loss: Tensor) -> float:
        """One step downhill, with trunk and value head each held to max_grad_norm.

        Returns the norm of the trunk's gradient before it was held. A step with a gradient that is
        not finite is skipped and counted.

        Raises:
            FloatingPointError: ten such steps came in a row.
        """
        self.optimizer.zero_grad()
        loss.backward()
        trunk, value_head = (group["params"] for group in self.optimizer.param_groups)
        norm = clip_grad_norm_(trunk, self.config.max_grad_norm)
        value_norm = clip_grad_norm_(value_head, self.config.max_grad_norm)
        if torch.isfinite(norm + value_norm):
            self.optimizer.step()
            self.skipped_in_a_row = 0
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1
        if self.skipped_in_a_row == LOST_STEPS:
            raise FloatingPointError(
                f"{LOST_STEPS} steps in a row had no finite gradient: the run is lost; lower "
                "learning_rate and start again."
            )
        return norm.item()

    def save(self, folder: Path) -> None:
        """Write what the next update needs into an empty folder."""
        position = {
            "update": self.update,
            "kl_coef": self.price.coefficient,
            "scale": asdict(self.scale),
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
        }
        save_state(folder, self.policy, self.optimizer, None, position)

    def load(self, folder: Path) -> None:
        """Become what was saved."""
        position = load_state(folder, self.policy, self.optimizer, None)
        self.update = position["update"]
        self.price = self.config.controller(position["kl_coef"])
        self.scale = RunningScale(**position["scale"])
        self.skipped = position["skipped"]
        self.skipped_in_a_row = position["skipped_in_a_row"]


def train(
    config: PPOTraining,
    learner: Learner,
    tokenizer: PreTrainedTokenizerBase,
    generator: PolicyGenerator,
    score: Score,
    prompts: Sequence[Conversation],
) -> Iterator[dict[str, float]]:
    """Improve a policy and tell after every update.

    When an update is told, the generator answers with the new weights and the learner can be
    saved. A learner that was loaded goes on where it was.

    Args:
        config: how.
        learner: the policy and everything else that changes.
        tokenizer: of the policy.
        generator: answers with the policy's weights as of its last `sync`.
        score: how much people would like an answer.
        prompts: conversations to be answered; every one is used before any is used again.

    Yields:
        Metrics; probabilities in nats, times in seconds.

    Source: Schulman et al. 2017 (arXiv:1707.06347); Ziegler et al. 2019 (arXiv:1909.08593).
    """
    policy = learner.policy
    generator.sync(policy)
    for update in range(learner.update, config.updates):
        clock = Clock()
        learner.set_rate(update)

        # 1. sample, and freeze what the old policy and its critic thought
        seen = sample(config, policy, tokenizer, generator, score, prompts, update, clock)
        kl = KL_ESTIMATORS[config.kl_estimator](seen.log_ratio)  # (B, T) nats
        scores = paid_scores(config, learner, seen)  # (B,)
        rewards = shaped_rewards(scores, kl, seen.mask, learner.price.coefficient)
        if config.whiten_rewards:
            rewards = whiten(rewards, seen.mask, shift_mean=False)
        advantages, returns = generalized_advantages(
            rewards, seen.values, seen.mask, config.gamma, config.lam
        )
        lesson = Lesson.of(seen, whiten(advantages, seen.mask), returns)

        # 2. several passes of small steps, each held near the old policy
        steps: list[dict[str, float]] = []
        with clock.phase("train"):
            for rows in minibatches(config, update):
                part = lesson.rows(rows)
                now = policy(part.texts)  # (b, T) each
                actor = policy_loss(
                    now.logprobs, part.logprobs, part.advantages, part.mask, config.clip
                )
                critic = value_loss(
                    now.values, part.values, part.returns, part.mask, config.value_clip
                )
                step = moved(now.logprobs.detach(), part, config.clip)
                if not steps:
                    check_nothing_moved(step)
                if config.stop_kl and step["approx_kl"] > config.stop_kl:
                    break  # far enough from the policy that was sampled: its answers mislead now
                norm = learner.descend(actor + config.value_coef * critic)
                losses = {"policy_loss": actor.item(), "value_loss": critic.item()}
                steps.append({**step, **losses, "grad_norm": norm})

        # 3. hand the new weights to the engine, and tell
        with clock.phase("sync"):
            generator.sync(policy)
        kl_coef = learner.price.coefficient
        learner.price = learner.price.after(seen.log_ratio.sum(1).mean().item(), len(scores))
        learner.update = update + 1
        yield {
            "step": update + 1,
            "steps": config.updates,
            **looks_of(seen),
            "reward": rewards.sum(1).mean().item(),
            "kl_coef": kl_coef,
            "explained_variance": explained_variance(seen.values, returns, seen.mask).item(),
            **average(steps),
            "ratio_first": steps[0]["ratio"],
            "optimizer_steps": len(steps),
            "skipped": learner.skipped,
            **(seconds := clock.seconds()),
            "tokens_per_second": seen.mask.sum().item() / seconds["seconds_rollout"],
        }


def sample(
    config: PPOTraining,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    generator: PolicyGenerator,
    score: Score,
    prompts: Sequence[Conversation],
    update: int,
    clock: Clock,
) -> Rollout:
    """The answers of one update and everyone's opinion of them.

    Raises:
        ValueError: a score is not a finite number.
    """
    chosen = prompts_for(config.seed, update, config.batch_size, len(prompts))
    conversations = [prompts[i] for i in chosen]
    seeds = seeds_for(config.seed, update, config.batch_size)
    with clock.phase("rollout"):
        answers = generate(
            generator, conversations, seeds, config.max_response_tokens, config.temperature
        )
    with clock.phase("score"):
        scores = score(conversations, [answer.text for answer in answers])
    if not all(map(isfinite, scores)):
        raise ValueError("The scorer's answer is not a finite number; check the reward model.")
    with clock.phase("freeze"):
        return freeze(policy, tokenizer, conversations, answers, scores, config.minibatch_size)


def paid_scores(config: PPOTraining, learner: Learner, seen: Rollout) -> Tensor:
    """Scores after scaling, clipping and the penalty for answers that were cut, (B,)."""
    learner.scale = learner.scale.seeing(seen.scores)
    divisor = learner.scale.deviation if config.scale_scores else 1.0
    return adjusted_scores(
        seen.scores, seen.ended, divisor, config.score_clip, config.missing_eos_penalty
    )


def minibatches(config: PPOTraining, update: int) -> Iterator[Tensor | slice]:
    """Row numbers, (b,), of every step of an update.

    The first pass keeps the order in which the old policy was asked; the others are shuffled.
    """
    yield from in_order(config.batch_size, config.minibatch_size)
    source = torch.Generator().manual_seed(config.seed * 1_000_003 + update)
    for _ in range(config.epochs - 1):
        yield from torch.randperm(config.batch_size, generator=source).split(config.minibatch_size)


def moved(logprobs: Tensor, part: Rollout, clip: float) -> dict[str, float]:
    """How far the policy is from the one that sampled: ratio, KL and share of clipped tokens."""
    ratio = probability_ratio(logprobs, part.logprobs)
    return {
        "ratio": masked_mean(ratio, part.mask).item(),
        "largest_ratio_change": ((ratio - 1).abs() * part.mask).max().item(),
        "approx_kl": masked_mean(kl_k3(part.logprobs - logprobs), part.mask).item(),
        "clip_fraction": clip_fraction(logprobs, part.logprobs, part.mask, clip).item(),
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
        "engine_gap": seen.engine_gap,
    }


def average(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the optimiser steps of an update."""
    means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
    return {name: mean for name, mean in means.items() if name != "largest_ratio_change"}
