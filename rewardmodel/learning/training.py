"""Teaches a reward model what people preferred."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rewardmodel.learning.learner import Learner
from rewardmodel.learning.losses import TIE_LOSSES, centring_penalty, preference_loss, tie_loss
from rewardmodel.learning.pairs import Example, example_passes, merged, rankings
from rewardmodel.learning.settings import OVERALL, RewardTraining

STANDARD_PAIRS = 64  # looked at before the first step, to standardise the features of a lone head


def train(
    config: RewardTraining,
    learner: Learner,
    train_examples: Sequence[Example],
    test_examples: Sequence[Example],
) -> Iterator[dict[str, float]]:
    """Train from where the learner stands to the end, telling about every step.

    Between two steps the learner may be saved; a loaded one goes on with the same numbers.

    Args:
        config: the one that the learner was made with.
        learner: changed in place.
        train_examples: what is learned.
        test_examples: held out; only looked at.

    Yields:
        step, steps, loss (nats), accuracy and margin (mean lead of the chosen response) of the
        pairs on which people decided, learning_rate, grad_norm (before clipping),
        tokens_per_second, seconds, skipped, and every `evaluate_every` steps test_accuracy.

    Raises:
        ValueError: too many steps had a loss or a gradient that is not finite.
    """
    decided = [example for example in test_examples if example.pair.decided]
    watched = _sample(decided, config.evaluation_pairs, config.seed)
    if learner.step == 0:
        learner.standardise(_sample(train_examples, STANDARD_PAIRS, config.seed))
    units = rankings(train_examples)
    while learner.step < learner.steps:
        started = time.perf_counter()
        # 1. learn from one batch
        batch = [train_examples[number] for number in _batch(config, learner, units)]
        metrics = learn(config, learner, batch)

        # 2. look at pairs that are not learned
        looking = config.evaluate_every and learner.step % config.evaluate_every == 0
        if looking and watched:
            with learner.layout.whole():
                if learner.crew.rank == 0:
                    scores = score(learner, watched, config)  # (n, 2)
                    metrics["test_accuracy"] = accuracy(scores)

        # 3. tell
        seconds = time.perf_counter() - started
        yield {"step": learner.step, "steps": learner.steps, "seconds": seconds, **metrics}


def learn(config: RewardTraining, learner: Learner, batch: Sequence[Example]) -> dict[str, float]:
    """Make one step on one batch and say what was seen; a step that isn't finite changes nothing.

    Raises:
        ValueError: too many such steps.
    """
    started = time.perf_counter()
    learning_rate = learner.scheduler.get_last_lr()[0]
    losses, scores = _gradients(config, learner, batch)  # (B,), (decided, 2)
    norm = learner.layout.clip_gradient(learner.learning, config.max_grad_norm)
    if torch.isfinite(norm) and torch.isfinite(losses).all():
        learner.optimizer.step()
    else:
        learner.skipped += 1
    learner.optimizer.zero_grad()
    learner.scheduler.step()
    learner.step += 1
    if learner.skipped > config.max_skipped:
        raise ValueError(
            f"The loss was not a finite number in {learner.skipped} steps; "
            "lower learning_rate or set precision to fp32."
        )
    tokens = sum(group.length for group in merged(batch)[0])
    return {
        "loss": losses.sum().item(),
        "accuracy": accuracy(scores),
        "margin": (scores[:, 0] - scores[:, 1]).mean().item(),
        "learning_rate": learning_rate,
        "grad_norm": norm.item(),
        "tokens_per_second": tokens / (time.perf_counter() - started),
        "skipped": learner.skipped,
    }


def _gradients(
    config: RewardTraining, learner: Learner, batch: Sequence[Example]
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the batch's mean loss, pass by pass to bound memory.

    Where several processes learn together, each makes its share of the passes.

    Returns:
        Each pair's share of the loss, (B,), in the order of passes, and the two scores of each
        pair on which people decided, (decided, 2).
    """
    total = sum(example.pair.weight for example in batch)
    parts = [
        [batch[number] for number in numbers]
        for numbers in example_passes(batch, config.tokens_per_pass)
    ]
    crew, model = learner.crew, learner.model
    seen = learner.layout.shared_passes(
        len(parts),
        lambda number, weight: _pass(config, learner, parts[number], total, weight),
    )
    if learner.kept is not None and crew.rank == 0:
        weights = model.head.weight  # (k, h)
        (config.ridge / 2 / learner.pairs * weights.square().sum(1).mean()).backward()
    learner.layout.sum_gradients(learner.learning)
    losses, scores = zip(*seen, strict=True)
    return torch.cat(losses), torch.cat(scores)


def _pass(
    config: RewardTraining,
    learner: Learner,
    part: Sequence[Example],
    total: float,
    weight: float,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of some pairs, whose loss is shared out over so much weight in total."""
    seen = learner.opinions(part, learns=True)  # (b, 2, k)
    each = [
        pair_losses(config, opinion, asked_about(name, part), learner.model.tie)
        for name, opinion in zip(config.head_names, seen.unbind(-1), strict=True)
    ]
    shares = (torch.stack(each, 1) * draws(config, part).to(seen)).mean(1) / total  # (b,)
    learner.layout.backward(shares.sum() * weight)
    scores = learner.model.combined(seen.detach())[[example.pair.decided for example in part]]
    return shares.detach().cpu(), scores.cpu()


def draws(config: RewardTraining, examples: Sequence[Example]) -> Tensor:
    """How often each head has each pair in its own sample of the pairs, (b, k).

    Heads that begin elsewhere and learn from other samples differ where the pairs leave open what
    is right. Counts are Poisson with mean 1, a bootstrap that needs no look at the other pairs, and
    depend on seed, pair and head alone, so that every epoch has the same ones. A lone head has
    every pair once.

    A head for one aspect has the pairs whose judges spoke about it.

    Source: Oza and Russell 2001, Online Bagging and Boosting.
    """
    if config.aspects:
        told = [
            [name == OVERALL or name in example.pair.aspects for name in config.head_names]
            for example in examples
        ]
        return torch.tensor(told, dtype=torch.float32)
    if config.heads == 1:
        return torch.ones(len(examples), 1)
    counts = [
        np.random.default_rng([config.seed, example.pair.id]).poisson(1, config.heads)
        for example in examples
    ]
    return torch.tensor(np.array(counts), dtype=torch.float32)


def asked_about(name: str, examples: Sequence[Example]) -> Sequence[Example]:
    """The examples with what people said about one aspect in place of their whole answer."""
    if name == OVERALL:
        return examples
    return [
        replace(example, pair=replace(example.pair, tie=0.0, margin=0.0, preference=share))
        for example in examples
        for share in [example.pair.aspects.get(name, 0.5)]
    ]


def pair_losses(
    config: RewardTraining, scores: Tensor, examples: Sequence[Example], tie: Tensor
) -> Tensor:
    """What each pair adds to the loss, by its weight.

    Args:
        scores: of the chosen and the rejected response, (B, 2).
        examples: B of them, in the same order.
        tie: what is learned about ties; unused by a loss without them.

    Returns:
        (B,), in nats.
    """
    told = [(e.pair.preference, e.pair.margin, e.pair.weight) for e in examples]
    preference, margin, weight = torch.tensor(told, device=scores.device).unbind(1)  # (B,) each
    chosen, rejected = scores.unbind(1)  # (B,) each
    margin, smoothing = config.margin_scale * margin, config.label_smoothing
    if config.loss in TIE_LOSSES:
        outcomes = torch.tensor([e.pair.outcomes for e in examples], device=scores.device)
        losses = tie_loss(chosen, rejected, outcomes, config.loss, tie, margin, smoothing)
    else:
        losses = preference_loss(chosen, rejected, preference, margin, smoothing)
    return weight * (losses + config.centring * centring_penalty(chosen, rejected))


def score(learner: Learner, examples: Sequence[Example], config: RewardTraining) -> Tensor:
    """Scores of chosen and rejected responses, (n, 2), on the CPU, not normalised."""
    with torch.no_grad():
        return learner.model.combined(opinions(learner, examples, config))


@torch.no_grad()
def opinions(learner: Learner, examples: Sequence[Example], config: RewardTraining) -> Tensor:
    """What each head scores the two responses, (n, 2, k), on the CPU, not normalised."""
    found = torch.zeros(len(examples), 2, len(config.head_names))
    for numbers in example_passes(examples, config.tokens_per_pass):
        found[numbers] = learner.opinions([examples[number] for number in numbers]).cpu()
    return found


def accuracy(scores: Tensor) -> float:
    """Share of pairs, (n, 2), whose chosen response scores higher; equal scores count half.

    Not a number when there is no pair.
    """
    lead = scores[:, 0] - scores[:, 1]
    return ((lead > 0).float() + 0.5 * (lead == 0).float()).mean().item()


def _batch(config: RewardTraining, learner: Learner, units: list[list[int]]) -> list[int]:
    """Numbers of the pairs of the next step, all of a ranking together.

    Their order depends on seed and epoch alone.
    """
    epoch, place = divmod(learner.step, learner.steps_per_epoch)
    order = np.random.default_rng([config.seed, epoch]).permutation(len(units))
    chosen = np.array_split(order, learner.steps_per_epoch)[place].tolist()
    return [number for unit in chosen for number in units[unit]]


def _sample(examples: Sequence[Example], size: int, seed: int) -> list[Example]:
    """At most `size` of the examples, the same ones at every look."""
    order = np.random.default_rng(seed).permutation(len(examples))
    return [examples[number] for number in sorted(order[:size])]
