"""Sampling answers with the current policy, and freezing what everyone thought of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rewardmodel.learning.processes import ALONE, Crew
from rlhf.generation.prompts import encode
from rlhf.generation.protocol import Generated, Generator, Message, Sampling
from rlhf.learning.minibatches import parts
from rlhf.learning.policy import Opinion, Policy
from rlhf.learning.settings import PPOTraining
from rlhf.learning.texts import Texts, unpacked

Conversation = list[Message]
Score = Callable[[Sequence[Conversation], Sequence[str]], Sequence[float]]
"""How much people would like each answer; PPO does not know where the number comes from."""

LARGEST_SEED = 2**31
PHRASE = 3  # words whose repetition is counted


class PolicyGenerator(Generator, Protocol):
    """An engine that can be brought up to date with a policy in training."""

    def sync(self, policy: Policy) -> None:
        """Answer with the policy's present weights from now on."""
        ...

    def rest(self) -> None:
        """Make room for the policy to learn: nothing is asked until the next `sync`."""
        ...


@dataclass(frozen=True)
class Rollout:
    """B answers of the old policy. Masked positions of every (B, T) tensor are zero."""

    texts: Texts
    scores: Tensor  # (B,) as the scorer gave them
    ended: Tensor  # (B,) whether the answer ended by itself
    logprobs: Tensor  # (B, T) of the old policy, by the trainer
    values: Tensor  # (B, T) of the old critic
    entropy: Tensor  # (B, T)
    ref_logprobs: Tensor  # (B, T)
    sampled_logprobs: Tensor  # (B, T) as the engine told them; the trainer's where it did not
    engine_gap: float  # mean |log-probability of the trainer - of the engine|; NaN if not told
    repetition: float  # share of repeated word triples
    live: Opinion | None  # of all rows, with its graph, where the first step needs no other

    @property
    def mask(self) -> Tensor:
        """(B, T), true on sampled tokens, the end-of-sequence token among them."""
        return self.texts.mask

    @property
    def critic_mask(self) -> Tensor:
        """(B, T), true where the critic was asked."""
        return self.texts.critic_mask

    @property
    def log_ratio(self) -> Tensor:
        """Log-probability under the old policy minus under the reference, (B, T), in nats."""
        return self.logprobs - self.ref_logprobs

    def rows(self, rows: Tensor | slice) -> Self:
        """Some of the answers, without the columns in which these have only padding."""
        texts = self.texts.rows(rows)
        width = texts.mask.shape[1]
        part = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in part.items():
            if isinstance(value, Tensor):
                part[name] = value[rows][:, :width] if value.ndim == 2 else value[rows]
        return replace(self, **part | {"texts": texts, "live": None})


@dataclass(frozen=True)
class Lesson(Rollout):
    """Answers together with what is to be learned from each of their tokens."""

    advantages: Tensor  # (B, T) how much better the token was than the critic expected
    returns: Tensor  # (B, T) what the critic should have expected

    @classmethod
    def of(cls, seen: Rollout, advantages: Tensor, returns: Tensor) -> Self:
        """The lesson of a rollout."""
        return cls(**vars(seen), advantages=advantages, returns=returns)


def generate(
    generator: Generator,
    conversations: Sequence[Conversation],
    seeds: Sequence[int],
    max_tokens: int,
    temperature: float,
) -> list[Generated]:
    """One ancestral sample per conversation: anything else would bias every ratio of PPO."""
    sampling = [Sampling(temperature, 1.0, max_tokens, seed) for seed in seeds]
    return generator.generate(conversations, sampling)


@torch.no_grad()
def freeze(
    config: PPOTraining,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Conversation],
    answers: Sequence[Generated],
    scores: Sequence[float],
    crew: Crew = ALONE,
) -> Rollout:
    """What the old policy, the critic and the reference think of the answers they are about.

    The policy is asked in the same passes in which it is first trained. A matrix product may
    round differently for another number of rows; asked like this the first ratio is 1 exactly.
    Where the first step is about all answers in one pass, the pass itself is kept for it.
    """
    prompts = [encode(tokenizer, conversation) for conversation in conversations]
    tokens = [answer.token_ids for answer in answers]
    texts = with_lower(policy, Texts.of(prompts, tokens, config.asked_after_end), config)
    empty = torch.zeros(texts.mask.shape)
    logprobs, values, entropy, references = (empty.clone() for _ in range(4))
    passes = [
        part
        for rows in torch.arange(len(answers)).split(config.minibatch_size)
        for part in passes_of(config, crew, rows, texts)
    ]
    live = None
    for rows in passes:
        part = texts.rows(rows)
        alone = crew.size == 1
        with torch.set_grad_enabled(alone and len(rows) == len(answers) == config.batch_size):
            opinion = policy(part)
        width = part.mask.shape[1]
        for whole, figure in zip((logprobs, values, entropy), opinion, strict=True):
            whole[rows, :width] = figure.detach()
        references[rows, :width] = policy.reference_logprobs(part)
        live = opinion if opinion.logprobs.requires_grad else None
    logprobs, values, entropy, references = crew.total(logprobs, values, entropy, references)
    sampled, gap = _told(answers, logprobs, texts.mask)
    return Rollout(
        texts=texts,
        scores=torch.tensor(scores, dtype=torch.float32),
        ended=torch.tensor([answer.finish_reason == "stop" for answer in answers]),
        logprobs=logprobs,
        values=values,
        entropy=entropy,
        ref_logprobs=references,
        sampled_logprobs=sampled,
        engine_gap=gap,
        repetition=repetition(answers),
        live=live,
    )


def with_lower(policy: Policy, texts: Texts, config: PPOTraining) -> Texts:
    """The texts with what frozen lower layers make of them, for all passes over them."""
    if policy.tuning != "top":
        return texts
    ids = texts.prompts.shape[1] + texts.responses.shape[1]
    lower: Tensor | None = None
    for rows in parts(torch.arange(len(texts.mask)), texts.lengths, config.tokens_per_pass):
        part = policy.prepared(texts.rows(rows)).lower
        assert part is not None
        if lower is None:
            lower = part.new_zeros(len(texts.mask), ids, part.shape[-1])
        first = int(texts.prompt_mask[rows].int().argmax(1).min())
        lower[rows, first : first + part.shape[1]] = part
    return texts._replace(lower=lower)


def passes_of(config: PPOTraining, crew: Crew, rows: Tensor, texts: Texts) -> list[Tensor]:
    """The rows of a step that this process computes, pass by pass."""
    mine = crew.share(rows, config.answers_per_prompt)
    return parts(mine, texts.lengths, config.tokens_per_pass, config.answers_per_prompt)


def repetition(answers: Sequence[Generated]) -> float:
    """Share of the word triples that stand in the same answer already, 0 to 1, over all answers."""
    triples = repeated = 0
    for answer in answers:
        words = answer.text.split()
        phrases = [tuple(words[i : i + PHRASE]) for i in range(len(words) - PHRASE + 1)]
        triples += len(phrases)
        repeated += len(phrases) - len(set(phrases))
    return repeated / triples if triples else 0.0


def seeds_for(seed: int, update: int, count: int) -> list[int]:
    """Sampling seeds that follow from the run's seed and the update alone: nothing to restore."""
    source = torch.Generator().manual_seed(seed * 1_000_003 + update)
    return torch.randint(LARGEST_SEED, (count,), generator=source).tolist()


def prompts_for(seed: int, update: int, count: int, available: int) -> list[int]:
    """Positions of `count` prompts of one update: shuffled anew every time all have been seen."""
    chosen = []
    for position in range(update * count, (update + 1) * count):
        epoch, place = divmod(position, available)
        source = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        chosen.append(int(torch.randperm(available, generator=source)[place]))
    return chosen


def _told(answers: Sequence[Generated], logprobs: Tensor, mask: Tensor) -> tuple[Tensor, float]:
    """What the engine said of its tokens, (B, T), and how far the trainer is from it."""
    told = [answer.logprobs for answer in answers if answer.logprobs is not None]
    if len(told) < len(answers):
        return logprobs, float("nan")
    engine = unpacked(torch.tensor([logprob for row in told for logprob in row]), mask)
    return engine, (engine - logprobs)[mask].abs().mean().item()
