"""A reward model in training: what is saved, and what it makes of examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from rewardmodel.learning.batches import Group
from rewardmodel.learning.losses import TIE_LOSSES, tie_start
from rewardmodel.learning.model import RewardModel, choose_trainable
from rewardmodel.learning.pairs import Example, example_passes, merged, rankings
from rewardmodel.learning.precision import autocast
from rewardmodel.learning.processes import ALONE, Crew
from rewardmodel.learning.schedules import rate_share
from rewardmodel.learning.settings import OVERALL, RewardTraining
from rewardmodel.learning.sharding.choice import laid_out
from rewardmodel.learning.sharding.layout import Layout

TIE_RATE = 0.01  # least learning rate of a tie parameter: one number, of order 1, few steps


class Learner:
    """A reward model with all that decides how its training goes on."""

    def __init__(
        self,
        config: RewardTraining,
        model: RewardModel,
        examples: Sequence[Example],
        crew: Crew = ALONE,
    ) -> None:
        """Prepare a model for training on these examples, at its first step.

        Args:
            config: what was chosen.
            model: changed in place.
            examples: all that will be learned.
            crew: the processes that share the passes of each step.

        Raises:
            ValueError: the loss is about ties and there are none, or nothing else.
        """
        choose_trainable(
            model, config.trainable, top_layers=config.top_layers, rank=config.lora_rank
        )
        if config.aspects:
            _check_aspects(config, examples)
            model.combine([*config.aspects.values()])
        self.model = model
        self.config = config
        self.crew = crew
        # what a frozen trunk made of a pair, (2, h), by the pair's id; None when the trunk learns
        self.kept: dict[int, Tensor] | None = {} if config.trainable == "head" else None
        self.pairs = len(examples)
        self.layout = _layout(model, crew)
        self.steps_per_epoch = max(1, round(len(rankings(examples)) / config.batch_size))
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
        self.learning: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        # eps as in Stiennon et al. and N+: small batches make small second moments
        self.optimizer = self.layout.optimizer(
            torch.optim.AdamW(
                groups, lr=config.learning_rate, eps=1e-5, weight_decay=0.0, fused=True
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
        if folder is None:
            return
        kept = {str(number): features for number, features in (self.kept or {}).items()}
        standard = {"shift": self.model.shift, "scale": self.model.scale}
        save_file({**kept, **standard}, folder / "features.safetensors")

    def load(self, folder: Path) -> None:
        """Go on where a checkpoint stands."""
        position = self.layout.load(folder, self.optimizer, self.scheduler)
        self.step, self.skipped = position["step"], position["skipped"]
        saved = load_file(folder / "features.safetensors")
        self.model.shift.copy_(saved.pop("shift"))
        self.model.scale.copy_(saved.pop("scale"))
        if self.kept is not None:
            self.kept = {int(n): features.to(self.model.device) for n, features in saved.items()}

    def standardise(self, examples: Sequence[Example]) -> None:
        """Look at some examples before the first step, so that a lone head sees unit spread."""
        if self.kept is None:
            return
        features = [
            self._features([examples[number] for number in numbers], self.kept)
            for numbers in example_passes(examples, self.config.tokens_per_pass)
        ]
        self.model.standardise(torch.cat(features).flatten(0, 1))

    def scores(self, examples: Sequence[Example]) -> Tensor:
        """Scores of chosen and rejected responses, (b, 2), of examples that fit into one pass."""
        return self.model.combined(self.opinions(examples))

    def opinions(self, examples: Sequence[Example], *, learns: bool = False) -> Tensor:
        """What each head scores the two responses, (b, 2, k), of examples that fit into a pass.

        Args:
            examples: b of them.
            learns: whether a gradient will follow; where none does, a model that is cut is whole.
        """
        if self.kept is not None:
            return self.model.opinions(self._features(examples, self.kept))
        groups, places = merged(examples)
        asked = self.layout if learns else self.model
        with autocast(self.model.device, self.config.precision):
            return asked(self.model.batch(groups), torch.tensor(places))

    def _read(self, examples: Sequence[Example]) -> Tensor:
        """What the trunk makes of each response, (b, 2, h); those of a ranking are read once."""
        groups, places = merged(examples)
        return self.model.features(self.model.batch(groups))[torch.tensor(places)]

    @torch.no_grad()
    def _features(self, examples: Sequence[Example], kept: dict[int, Tensor]) -> Tensor:
        """What the frozen trunk makes of each response, (b, 2, h); it reads a pair only once."""
        new = [example for example in examples if example.pair.id not in kept]
        if new:
            with autocast(self.model.device, self.config.precision):
                pairs = self._read(new)  # (new, 2, h)
            kept |= {e.pair.id: pair.clone() for e, pair in zip(new, pairs, strict=True)}
        return torch.stack([kept[example.pair.id] for example in examples])


def _layout(model: RewardModel, crew: Crew) -> Layout:
    """Among processes, as their launcher was asked to; one that is alone has all."""
    if crew.size == 1:
        return Layout(model, crew)
    batch = model.batch([Group([0], [[0]])])
    return laid_out(model, crew, [model.trunk], lambda: model(batch, torch.tensor([0])))


def _check_aspects(config: RewardTraining, examples: Sequence[Example]) -> None:
    for name in config.aspects:
        if name != OVERALL and not any(name in example.pair.aspects for example in examples):
            raise ValueError(f"Nobody judged the aspect {name!r}; take it out of aspects.")


def _tie_share(examples: Sequence[Example]) -> float:
    """Share of ties among the answers to learn from, by weight."""
    total = sum(example.pair.weight for example in examples)
    ties = sum(example.pair.weight * example.pair.tie for example in examples) / total
    if not 0 < ties < 1:
        words = "is a tie" if ties == 0 else "is anything but a tie"
        raise ValueError(f"No answer {words}; choose the loss bradley-terry.")
    return ties
