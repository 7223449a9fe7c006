"""Teaches a reward model what people preferred."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from rewardmodel.learning.batches import passes
from rewardmodel.learning.checkpoints import load_state, save_state
from rewardmodel.learning.labels import LABELS
from rewardmodel.learning.losses import (
    LOSSES,
    TIE_LOSSES,
    centring_penalty,
    preference_loss,
    tie_loss,
    tie_start,
)
from rewardmodel.learning.model import TRAINABLE, RewardModel, choose_trainable
from rewardmodel.learning.pairs import Example
from rewardmodel.learning.precision import PRECISIONS, autocast
from rewardmodel.learning.schedules import SCHEDULES, rate_share

TIE_RATE = 0.01  # least learning rate of a tie parameter: one number, of order 1, few steps
STANDARD_PAIRS = 64  # looked at before the first step, to standardise the features of a lone head

# What each way of learning wants where the run says nothing. A trunk overfits after one epoch
# (Ouyang et al. 2022); a lone head is a convex problem that wants many, and they cost nothing
# because the frozen trunk reads a pair once. The other values: docs/experiments.md.
RECIPES: dict[str, dict[str, float]] = {
    "full": {"epochs": 1, "learning_rate": 2e-5, "trunk_share": 1.0},
    "top": {"epochs": 1, "learning_rate": 5e-5, "trunk_share": 1.0},
    "lora": {"epochs": 1, "learning_rate": 2e-4, "trunk_share": 1.0},
    "head": {"epochs": 15, "learning_rate": 0.01, "trunk_share": 0.7},
}


@dataclass(frozen=True)
class RewardTraining:
    """What may be chosen about the training of a reward model."""

    trainable: str = "head"  # which parameters learn: full, top, lora or head
    top_layers: int = 8  # layers that learn when trainable is "top"
    lora_rank: int = 16  # of the matrices when trainable is "lora"
    heads: int = 1  # that score; from two on, how far they differ tells how unsure the model is
    trunk_share: float = 0.0  # share of the layers that is used, from the first; 0: see RECIPES
    epochs: int = 0  # passes over the pairs; 0: see RECIPES
    learning_rate: float = 0.0  # highest, after the warm-up; 0: see RECIPES
    ridge: float = 300.0  # pull of a lone head towards zero: 1 / variance of its weights' prior
    max_length: int = 512  # tokens of prompt and response; a longer prompt loses its beginning
    batch_size: int = 32  # pairs per step
    tokens_per_pass: int = 2048  # tokens in memory at once; changes speed and memory, no result
    schedule: str = "cosine"  # cosine and linear fall to a tenth, constant stays
    warmup: float = 0.05  # share of the steps in which the learning rate rises
    max_grad_norm: float = 1.0  # longer gradients are shortened to this
    loss: str = "bradley-terry"  # or davidson or rao-kupper, which learn from ties too
    labels: str = "shares"  # of votes; majority; or posterior, with a flip rate from the votes
    label_smoothing: float = 0.0  # share of labels believed to be flipped
    margin_scale: float = 0.0  # by how much scores should differ at full strength; 0 ignores it
    centring: float = 0.01  # pull of the two scores of a pair towards zero (Eisenstein et al.)
    max_skipped: int = 5  # steps with a loss or gradient that is not finite before giving up
    evaluate_every: int = 20  # steps between looks at held-out pairs; 0 never
    evaluation_pairs: int = 48  # held-out pairs looked at then; the final figure uses all
    checkpoint_every: int = 10  # steps that a kill can cost at most
    min_train_pairs: int = 50  # fewer teach nothing that can be told from chance
    min_test_pairs: int = 10  # fewer measure nothing
    precision: str = "auto"  # bf16, fp32, or auto: bf16 where the processor multiplies in it
    packing: bool = True  # compute a prompt once for both responses; same scores, less work
    seed: int = 0  # of the head, of LoRA, and of the order of the pairs

    def __post_init__(self) -> None:
        """Fill in the recipe and check everything."""
        _check_choice("trainable", self.trainable, TRAINABLE)
        for name, value in RECIPES[self.trainable].items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        _check_choice("loss", self.loss, LOSSES)
        _check_choice("labels", self.labels, LABELS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("precision", self.precision, PRECISIONS)
        for name in ("epochs", "batch_size", "tokens_per_pass", "top_layers", "lora_rank", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.learning_rate > 0 or not self.max_grad_norm > 0 or self.ridge < 0:
            raise ValueError("learning_rate and max_grad_norm must be above 0, ridge not below.")
        if not 0 < self.trunk_share <= 1:
            raise ValueError(f"trunk_share is {self.trunk_share}; it must be in (0, 1].")
        if not 0 <= self.label_smoothing < 0.5 or not 0 <= self.warmup < 1:
            raise ValueError("label_smoothing must be in [0, 0.5) and warmup in [0, 1).")
        for name in ("margin_scale", "centring"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if self.max_length < 64:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 64 tokens.")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")


class Learner:
    """A reward model with all that decides how its training goes on."""

    def __init__(
        self, config: RewardTraining, model: RewardModel, examples: Sequence[Example]
    ) -> None:
        """Prepare a model for training on these examples, at its first step.

        Raises:
            ValueError: the loss is about ties and there are none, or nothing else.
        """
        choose_trainable(
            model, config.trainable, top_layers=config.top_layers, rank=config.lora_rank
        )
        self.model = model
        self.config = config
        # what a frozen trunk made of a pair, (2, h), by the pair's id; None when the trunk learns
        self.kept: dict[int, Tensor] | None = {} if config.trainable == "head" else None
        self.pairs = len(examples)
        self.steps_per_epoch = max(1, round(len(examples) / config.batch_size))
        self.steps = config.epochs * self.steps_per_epoch
        self.step = 0
        self.skipped = 0
        groups: list[dict[str, Any]] = [
            {"params": [p for p in model.parameters() if p.requires_grad]}
        ]
        if config.loss in TIE_LOSSES:
            model.tie.data.fill_(tie_start(_tie_share(examples), config.loss))
            model.tie.requires_grad_(True)
            rate = max(config.learning_rate, TIE_RATE)
            groups.append({"params": [model.tie], "lr": rate})
        # eps as in Stiennon et al. and N+: small batches make small second moments
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, eps=1e-5, weight_decay=0.0, fused=True
        )
        self.scheduler = LambdaLR(
            self.optimizer,
            lambda step: rate_share(step, self.steps, config.schedule, config.warmup),
        )

    def save(self, folder: Path) -> None:
        """Write a checkpoint into an empty folder."""
        position = {"step": self.step, "skipped": self.skipped}
        save_state(folder, self.model, self.optimizer, self.scheduler, position)
        kept = {str(number): features for number, features in (self.kept or {}).items()}
        standard = {"shift": self.model.shift, "scale": self.model.scale}
        save_file({**kept, **standard}, folder / "features.safetensors")

    def load(self, folder: Path) -> None:
        """Go on where a checkpoint stands."""
        position = load_state(folder, self.model, self.optimizer, self.scheduler)
        self.step, self.skipped = position["step"], position["skipped"]
        saved = load_file(folder / "features.safetensors", device=str(self.model.device))
        self.model.shift.copy_(saved.pop("shift"))
        self.model.scale.copy_(saved.pop("scale"))
        if self.kept is not None:
            self.kept = {int(number): features for number, features in saved.items()}

    def standardise(self, examples: Sequence[Example]) -> None:
        """Look at some examples before the first step, so that a lone head sees unit spread."""
        if self.kept is None:
            return
        features = [
            self._features([examples[number] for number in numbers], self.kept)
            for numbers in passes([e.group for e in examples], self.config.tokens_per_pass)
        ]
        self.model.standardise(torch.cat(features).flatten(0, 1))

    def scores(self, examples: Sequence[Example]) -> Tensor:
        """Scores of chosen and rejected responses, (b, 2), of examples that fit into one pass."""
        return self.opinions(examples).mean(-1)

    def opinions(self, examples: Sequence[Example]) -> Tensor:
        """What each head scores the two responses, (b, 2, k), of examples that fit into a pass."""
        if self.kept is not None:
            return self.model.opinions(self._features(examples, self.kept))
        with autocast(self.model.device, self.config.precision):
            features = self.model.features(self.model.batch([e.group for e in examples]))
            return self.model.opinions(features).unflatten(0, (-1, 2))

    @torch.no_grad()
    def _features(self, examples: Sequence[Example], kept: dict[int, Tensor]) -> Tensor:
        """What the frozen trunk makes of each response, (b, 2, h); it reads a pair only once."""
        new = [example for example in examples if example.pair.id not in kept]
        if new:
            with autocast(self.model.device, self.config.precision):
                seen = self.model.features(self.model.batch([e.group for e in new]))
            pairs = seen.unflatten(0, (-1, 2))  # (new, 2, h)
            kept |= {e.pair.id: pair.clone() for e, pair in zip(new, pairs, strict=True)}
        return torch.stack([kept[example.pair.id] for example in examples])


def _tie_share(examples: Sequence[Example]) -> float:
    """Share of ties among the answers to learn from, by weight."""
    total = sum(example.pair.weight for example in examples)
    ties = sum(example.pair.weight * example.pair.tie for example in examples) / total
    if not 0 < ties < 1:
        words = "is a tie" if ties == 0 else "is anything but a tie"
        raise ValueError(f"No answer {words}; choose the loss bradley-terry.")
    return ties


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
    while learner.step < learner.steps:
        started = time.perf_counter()
        # 1. learn from one batch
        batch = [train_examples[number] for number in _batch(config, learner, len(train_examples))]
        metrics = learn(config, learner, batch)

        # 2. look at pairs that are not learned
        if config.evaluate_every and watched and learner.step % config.evaluate_every == 0:
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
    learning = [p for p in learner.model.parameters() if p.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(learning, config.max_grad_norm)
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
    tokens = sum(example.group.length for example in batch)
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

    Returns:
        Each pair's share of the loss, (B,), in the order of passes, and the two scores of each
        pair on which people decided, (decided, 2).
    """
    total = sum(example.pair.weight for example in batch)
    losses, scores = [], []
    for numbers in passes([example.group for example in batch], config.tokens_per_pass):
        part = [batch[number] for number in numbers]
        seen = learner.opinions(part)  # (b, 2, k)
        tie = learner.model.tie
        each = [pair_losses(config, opinion, part, tie) for opinion in seen.unbind(-1)]
        shares = (torch.stack(each, 1) * draws(config, part).to(seen)).mean(1) / total  # (b,)
        shares.sum().backward()
        losses.append(shares.detach())
        scores.append(seen.detach().mean(-1)[[example.pair.decided for example in part]])
    if learner.kept is not None:
        weights = learner.model.head.weight  # (k, h)
        (config.ridge / 2 / learner.pairs * weights.square().sum(1).mean()).backward()
    return torch.cat(losses), torch.cat(scores)


def draws(config: RewardTraining, examples: Sequence[Example]) -> Tensor:
    """How often each head has each pair in its own sample of the pairs, (b, k).

    Heads that begin elsewhere and learn from other samples differ where the pairs leave open what
    is right. Counts are Poisson with mean 1, a bootstrap that needs no look at the other pairs, and
    depend on seed, pair and head alone, so that every epoch has the same ones. A lone head has
    every pair once.

    Source: Oza and Russell 2001, Online Bagging and Boosting.
    """
    if config.heads == 1:
        return torch.ones(len(examples), 1)
    counts = [
        np.random.default_rng([config.seed, example.pair.id]).poisson(1, config.heads)
        for example in examples
    ]
    return torch.tensor(np.array(counts), dtype=torch.float32)


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
    return opinions(learner, examples, config).mean(-1)


@torch.no_grad()
def opinions(learner: Learner, examples: Sequence[Example], config: RewardTraining) -> Tensor:
    """What each head scores the two responses, (n, 2, k), on the CPU, not normalised."""
    found = torch.zeros(len(examples), 2, config.heads)
    for numbers in passes([example.group for example in examples], config.tokens_per_pass):
        found[numbers] = learner.opinions([examples[number] for number in numbers]).cpu()
    return found


def accuracy(scores: Tensor) -> float:
    """Share of pairs, (n, 2), whose chosen response scores higher; equal scores count half.

    Not a number when there is no pair.
    """
    lead = scores[:, 0] - scores[:, 1]
    return ((lead > 0).float() + 0.5 * (lead == 0).float()).mean().item()


def _batch(config: RewardTraining, learner: Learner, count: int) -> list[int]:
    """Numbers of the pairs of the next step: their order depends on seed and epoch alone."""
    epoch, place = divmod(learner.step, learner.steps_per_epoch)
    order = np.random.default_rng([config.seed, epoch]).permutation(count)
    return np.array_split(order, learner.steps_per_epoch)[place].tolist()


def _sample(examples: Sequence[Example], size: int, seed: int) -> list[Example]:
    """At most `size` of the examples, the same ones at every look."""
    order = np.random.default_rng(seed).permutation(len(examples))
    return [examples[number] for number in sorted(order[:size])]
