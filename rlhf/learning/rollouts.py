"""Sampling answers with the current policy, and freezing what everyone thought of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.generation.prompts import encode
from rlhf.generation.protocol import Generated, Generator, Message, Sampling
from rlhf.learning.policy import Policy, Texts

Conversation = list[Message]
Score = Callable[[Sequence[Conversation], Sequence[str]], Sequence[float]]
"""How much people would like each answer; PPO does not know where the number comes from."""

LARGEST_SEED = 2**31


class PolicyGenerator(Generator, Protocol):
    """An engine that can be brought up to date with a policy in training."""

    def sync(self, policy: Policy) -> None:
        """Answer with the policy's present weights from now on."""
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
    engine_gap: float  # mean |log-probability of the trainer - of the engine|; NaN if not told

    @property
    def mask(self) -> Tensor:
        """(B, T), true on sampled tokens, the end-of-sequence token among them."""
        return self.texts.mask

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
        return replace(self, **part | {"texts": texts})


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
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Conversation],
    answers: Sequence[Generated],
    scores: Sequence[float],
    minibatch_size: int,
) -> Rollout:
    """What the old policy, the critic and the reference think of the answers they are about.

    The policy is asked in the same minibatches in which it is first trained. A matrix product
    may round differently for another number of rows; asked like this the first ratio is 1 exactly.
    """
    prompts = [encode(tokenizer, conversation) for conversation in conversations]
    texts = Texts.of(prompts, [answer.token_ids for answer in answers])
    width = texts.mask.shape[1]
    opinions, references = [], []
    for rows in in_order(len(answers), minibatch_size):
        part = texts.rows(rows)
        opinions.append([_widened(figure, width) for figure in policy(part)])
        references.append(_widened(policy.reference_logprobs(part), width))
    logprobs, values, entropy = (torch.cat(parts) for parts in zip(*opinions, strict=True))
    return Rollout(
        texts=texts,
        scores=torch.tensor(scores, dtype=torch.float32),
        ended=torch.tensor([answer.finish_reason == "stop" for answer in answers]),
        logprobs=logprobs,
        values=values,
        entropy=entropy,
        ref_logprobs=torch.cat(references),
        engine_gap=_engine_gap(answers, logprobs, texts.mask),
    )


def in_order(count: int, size: int) -> Iterator[slice]:
    """Rows 0 to count in slices of a minibatch each."""
    for start in range(0, count, size):
        yield slice(start, start + size)


def seeds_for(seed: int, update: int, count: int) -> list[int]:
    """Sampling seeds that follow from the run's seed and the update alone: nothing to restore."""
    source = torch.Generator().manual_seed(seed * 1_000_003 + update)
    return torch.randint(LARGEST_SEED, (count,), generator=source).tolist()


def prompts_for(seed: int, update: int, count: int, available: int) -> list[int]:
    """Positions of the prompts of one update: shuffled anew every time all have been seen."""
    chosen = []
    for position in range(update * count, (update + 1) * count):
        epoch, place = divmod(position, available)
        source = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        chosen.append(int(torch.randperm(available, generator=source)[place]))
    return chosen


def _widened(figures: Tensor, width: int) -> Tensor:
    """(b, t) with zeros added on the right up to (b, width)."""
    return torch.nn.functional.pad(figures, (0, width - figures.shape[1]))


def _engine_gap(answers: Sequence[Generated], logprobs: Tensor, mask: Tensor) -> float:
    told = [answer.logprobs for answer in answers if answer.logprobs is not None]
    if len(told) < len(answers):
        return float("nan")
    engine = torch.tensor([logprob for row in told for logprob in row])
    return (engine - logprobs[mask]).abs().mean().item()
