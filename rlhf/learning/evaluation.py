"""Whether the new policy is better than its parent, on prompts it was not trained on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from rlhf.generation.protocol import Generated, Generator
from rlhf.learning.policy import Policy
from rlhf.learning.rollouts import Conversation, Score, freeze, generate, seeds_for
from rlhf.learning.settings import PPOTraining

EVALUATION = 999_983  # numbers the seeds of the evaluation, far from those of any update


@dataclass(frozen=True)
class Scored:
    """What one policy's answers to the test prompts are worth, prompt by prompt."""

    scores: list[float]  # mean score of the prompt's samples, one a prompt
    length: float  # tokens, mean over all samples
    eos_rate: float  # share of the samples that ended by themselves

    @property
    def reward(self) -> float:
        """Mean score over the prompts."""
        return fmean(self.scores)


@dataclass(frozen=True)
class Gain:
    """The difference between two policies on the same prompts with the same seeds."""

    reward_before: float
    reward_after: float
    reward_gain: float
    reward_gain_se: float  # standard error of the mean of the prompts' differences
    test_prompts: int
    win_rate: float  # share of the prompts that the new policy answers better, ties half

    def figures(self) -> dict[str, Any]:
        """As they stand in result.json."""
        return asdict(self)


def answers_to(
    generator: Generator,
    prompts: Sequence[Conversation],
    samples: int,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[Generated]:
    """Several answers to every prompt, those of one prompt next to each other.

    The same seed asks any policy in exactly the same way: sampled like the training's answers.
    """
    conversations = [prompt for prompt in prompts for _ in range(samples)]
    seeds = seeds_for(seed, EVALUATION, len(conversations))
    return generate(generator, conversations, seeds, max_tokens, temperature)


def scored(prompts: Sequence[Conversation], answers: Sequence[Generated], score: Score) -> Scored:
    """Score the answers of `answers_to`."""
    samples = len(answers) // len(prompts)
    conversations = [prompt for prompt in prompts for _ in range(samples)]
    scores = score(conversations, [answer.text for answer in answers])
    return Scored(
        scores=[fmean(scores[i : i + samples]) for i in range(0, len(scores), samples)],
        length=fmean(answer.token_count for answer in answers),
        eos_rate=fmean(answer.finish_reason == "stop" for answer in answers),
    )


def gain(before: Scored, after: Scored) -> Gain:
    """What training changed, paired by prompt."""
    differences = [b - a for a, b in zip(before.scores, after.scores, strict=True)]
    count = len(differences)
    return Gain(
        reward_before=before.reward,
        reward_after=after.reward,
        reward_gain=fmean(differences),
        reward_gain_se=stdev(differences) / sqrt(count) if count > 1 else float("nan"),
        test_prompts=count,
        win_rate=fmean(0.5 if d == 0 else float(d > 0) for d in differences),
    )


@torch.no_grad()
def divergence(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Conversation],
    answers: Sequence[Generated],
    config: PPOTraining,
) -> float:
    """Nats per answer by which the policy has left its reference, on its own answers."""
    samples = len(answers) // len(prompts)
    conversations = [prompt for prompt in prompts for _ in range(samples)]
    unused = [0.0] * len(answers)
    seen = freeze(config, policy, tokenizer, conversations, answers, unused)
    return seen.log_ratio.sum(1).mean().item()
