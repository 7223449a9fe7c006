"""Teaches a language model to answer as demonstrations do."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from rewardmodel.learning.batches import passes
from rewardmodel.learning.precision import PRECISIONS
from rewardmodel.learning.processes import ALONE, Crew
from rewardmodel.learning.schedules import SCHEDULES, rate_share
from rewardmodel.learning.sharding.layout import Layout
from rlhf.learning.sft.demonstrations import Demonstration
from rlhf.learning.sft.student import TUNINGS, Student

# What each way of learning wants where the run says nothing: adapters start at zero and want
# about ten times the rate of whole weights (Hu et al. 2021, arXiv:2106.09685, appendix D).
LEARNING_RATES = {"lora": 2e-4, "full": 2e-5}


@dataclass(frozen=True)
class SFTTraining:
    """What may be chosen about supervised fine-tuning."""

    tuning: str = "lora"  # which weights learn: lora or full
    lora_rank: int = 16  # of the matrices when tuning is "lora"
    epochs: int = 2  # passes over the demonstrations; more learn small sets by heart
    learning_rate: float = 0.0  # highest, after the warm-up; 0: see LEARNING_RATES
    schedule: str = "cosine"  # cosine and linear fall to a tenth (Ouyang et al. 2022), constant not
    warmup: float = 0.05  # share of the steps in which the learning rate rises
    weight_decay: float = 0.0  # pull of the weights towards zero
    batch_size: int = 16  # demonstrations per step
    tokens_per_pass: int = 2048  # tokens in memory at once; changes speed and memory, no result
    packing: bool = True  # demonstrations one after another in a row; same losses, no padding
    max_length: int = 512  # tokens of prompt and answer; longer demonstrations are left out
    max_grad_norm: float = 1.0  # longer gradients are shortened to this
    max_skipped: int = 5  # steps with a loss or gradient that is not finite before giving up
    evaluate_every: int = 10  # steps between looks at held-out demonstrations; 0 never
    evaluation_rows: int = 32  # looked at then; the figures before and after use all
    samples_every: int = 50  # steps between answers to the same few prompts
    sample_tokens: int = 64  # longest of those answers
    temperature: float = 0.7  # at which they are drawn
    checkpoint_every: int = 10  # steps that a kill can cost at most
    precision: str = "auto"  # bf16, fp32, or auto: bf16 where the processor multiplies in it
    seed: int = 0  # of LoRA, of the order of the demonstrations, and of the answers

    def __post_init__(self) -> None:
        """Fill in the learning rate and check everything."""
        for name, choices in (
            ("tuning", TUNINGS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}."
                )
        if self.learning_rate == 0:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.tuning])
        for name in (
            "lora_rank",
            "epochs",
            "batch_size",
            "tokens_per_pass",
            "samples_every",
            "sample_tokens",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("learning_rate", "max_grad_norm", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("weight_decay", "max_skipped", "evaluate_every", "evaluation_rows"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative.")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is {self.warmup}; it must be in [0, 1).")
        if self.max_length < 16:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 16 tokens.")


class Learner:
    """A student with all that decides how its training goes on."""

    def __init__(
        self,
        config: SFTTraining,
        student: Student,
        count: int,
        crew: Crew = ALONE,
        layout: Layout | None = None,
    ) -> None:
        """Prepare a student for training at its first step.

        Args:
            config: what was chosen.
            student: changed in place.
            count: of the demonstrations to learn from.
            crew: the processes that share the passes of each step.
            layout: of the student among them; None for the whole of it in each.
        """
        self.config = config
        self.student = student
        self.crew = crew
        self.layout = layout or Layout(student, crew)
        self.steps_per_epoch = max(1, round(count / config.batch_size))
        self.steps = config.epochs * self.steps_per_epoch
        self.step = 0
        self.skipped = 0
        self.learning = student.learning()
        self.optimizer = self.layout.optimizer(
            torch.optim.AdamW(
                self.learning,
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
                fused=True,
            )
        )
        self.scheduler = LambdaLR(
            self.optimizer,
            lambda step: rate_share(step, self.steps, config.schedule, config.warmup),
        )

    def save(self, folder: Path | None) -> None:
        """Write a checkpoint into an empty folder.

        All processes do so together, the helping ones without a folder.
        """
        position = {"step": self.step, "skipped": self.skipped}
        self.layout.save(folder, self.optimizer, self.scheduler, position)

    def load(self, folder: Path) -> None:
        """Go on where a checkpoint stands."""
        position = self.layout.load(folder, self.optimizer, self.scheduler)
        self.step, self.skipped = position["step"], position["skipped"]


def train(
    config: SFTTraining,
    learner: Learner,
    train_set: Sequence[Demonstration],
    test_set: Sequence[Demonstration],
) -> Iterator[dict[str, float]]:
    """Train from where the learner stands to the end, telling about every step.

    Between two steps the learner may be saved; a loaded one goes on with the same numbers.

    Args:
        config: the one that the learner was made with.
        learner: changed in place.
        train_set: what is learned.
        test_set: held out; only looked at.

    Yields:
        step, steps, loss (nats an answer token), learning_rate, grad_norm (before clipping),
        tokens_per_second (of prompts and answers), seconds, skipped, and every `evaluate_every`
        steps test_loss.

    Raises:
        ValueError: too many steps had a loss or a gradient that is not finite.
    """
    watched = test_set[: config.evaluation_rows]
    while learner.step < learner.steps:
        started = time.perf_counter()
        # 1. learn from one batch
        batch = [train_set[number] for number in batch_of(config, learner, len(train_set))]
        metrics = learn(config, learner, batch)

        # 2. look at demonstrations that are not learned
        if config.evaluate_every and watched and learner.step % config.evaluate_every == 0:
            with learner.layout.whole():
                if learner.crew.rank == 0:
                    loss = mean_loss(learner.student, watched, config.tokens_per_pass)
                    metrics["test_loss"] = loss

        # 3. tell
        seconds = time.perf_counter() - started
        yield {"step": learner.step, "steps": learner.steps, "seconds": seconds, **metrics}


def learn(
    config: SFTTraining, learner: Learner, batch: Sequence[Demonstration]
) -> dict[str, float]:
    """Make one step on one batch and say what was seen; a step that isn't finite changes nothing.

    Raises:
        ValueError: too many such steps.
    """
    started = time.perf_counter()
    learning_rate = learner.scheduler.get_last_lr()[0]
    loss = gradients(learner, batch)
    norm = learner.layout.clip_gradient(learner.learning, config.max_grad_norm)
    if torch.isfinite(norm) and np.isfinite(loss):
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
    tokens = sum(demonstration.group.length for demonstration in batch)
    return {
        "loss": loss,
        "learning_rate": learning_rate,
        "grad_norm": norm.item(),
        "tokens_per_second": tokens / (time.perf_counter() - started),
        "skipped": learner.skipped,
    }


def gradients(learner: Learner, batch: Sequence[Demonstration]) -> float:
    """Add the gradient of the mean loss an answer token, pass by pass to bound memory.

    Every token of the batch weighs the same, whichever pass and answer it stands in. Where several
    processes learn together, each makes its share of the passes.

    Returns:
        That mean, in nats.
    """
    tokens = sum(len(demonstration.answer) for demonstration in batch)
    groups = [demonstration.group for demonstration in batch]
    parts = [*passes(groups, learner.config.tokens_per_pass)]

    def taught(number: int, weight: float) -> float:
        loss = learner.layout([groups[place] for place in parts[number]]).sum() / tokens
        learner.layout.backward(loss * weight)
        return loss.item()

    total = sum(learner.layout.shared_passes(len(parts), taught))
    learner.layout.sum_gradients(learner.learning)
    return total


@torch.no_grad()
def mean_loss(student: Student, batch: Sequence[Demonstration], tokens_per_pass: int) -> float:
    """The mean loss an answer token of some demonstrations, in nats."""
    tokens = sum(len(demonstration.answer) for demonstration in batch)
    groups = [demonstration.group for demonstration in batch]
    total = sum(
        student([groups[number] for number in numbers]).sum().item()
        for numbers in passes(groups, tokens_per_pass)
    )
    return total / tokens


def batch_of(config: SFTTraining, learner: Learner, count: int) -> list[int]:
    """Numbers of the demonstrations of the next step: seed and epoch alone decide their order."""
    epoch, place = divmod(learner.step, learner.steps_per_epoch)
    order = np.random.default_rng([config.seed, epoch]).permutation(count)
    return np.array_split(order, learner.steps_per_epoch)[place].tolist()
