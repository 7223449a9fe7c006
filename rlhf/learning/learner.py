"""Everything that changes while a policy is trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from rewardmodel.learning.processes import ALONE, Crew
from rewardmodel.learning.sharding.layout import Layout
from rlhf.generation.protocol import Generated
from rlhf.learning.adapters import weights_changed
from rlhf.learning.policy import Policy
from rlhf.learning.scores import RunningScale
from rlhf.learning.settings import PPOTraining
from rlhf.learning.steering import Change

ADAM_EPSILON = 1e-5  # of the reference; PyTorch's 1e-8 makes the first steps several times larger
LOST_STEPS = 10  # non-finite steps in a row after which the run is beyond recovery


class Learner:
    """A policy with its optimiser, its averages and its place in the run.

    Saved and loaded bit for bit. All randomness follows from the seed and the number of the
    update, so there is no other state.
    """

    def __init__(
        self,
        config: PPOTraining,
        policy: Policy,
        crew: Crew = ALONE,
        layout: Layout | None = None,  # None: every process has the whole policy
    ) -> None:
        self.config = config
        self.policy = policy
        self.crew = crew
        self.layout = layout or Layout(policy, crew)
        self.trunk, self.critic = policy.trunk_parameters(), policy.critic_parameters()
        self.optimizer = self.layout.optimizer(
            torch.optim.AdamW(
                [
                    {"params": self.trunk, "lr": config.learning_rate},
                    {"params": self.critic, "lr": config.value_learning_rate},
                ],
                eps=ADAM_EPSILON,
                weight_decay=config.weight_decay,
                fused=True,
            )
        )
        self.update = 0
        self.price = config.controller(config.kl_coef)
        self.scale = RunningScale()
        self.skipped = 0  # non-finite steps so far
        self.skipped_in_a_row = 0
        self.first_length = 0.0  # tokens of the first update's answers
        self.ended = ""  # why no further update is worth its time
        self.steered = 0  # number of the last change by a person that is in force
        self.pending: list[Generated] = []  # sampled ahead for the next update
        self.average = [w.detach().clone() for w in policy.trunk_parameters()] if config.ema else []

    def set_rate(self, update: int) -> None:
        """Lower both learning rates to where they belong in one update."""
        trunk, critic = self.optimizer.param_groups
        trunk["lr"] = self.config.learning_rate * self.config.rate(update)
        critic["lr"] = self.config.value_learning_rate * self.config.rate(update)
        if update < self.config.critic_warmup:
            trunk["lr"] = 0.0

    def steer(self, changes: Sequence[Change]) -> None:
        """Put people's changes in force that are not yet, for the updates to come."""
        for change in changes:
            if change.number <= self.steered:
                continue
            if change.finish and not self.update:
                return  # there is no result before something was learned
            if change.kl_coef is not None:
                self.price = self.config.controller(change.kl_coef)
            if change.finish:
                self.ended = self.ended or "An engineer asked for it."
            self.steered = change.number

    def descend(self) -> float:
        """One step downhill along the gradients, with trunk and critic each held to max_grad_norm.

        Returns the norm of the trunk's gradient before it was held. A step with a gradient that is
        not finite is skipped and counted.

        Raises:
            FloatingPointError: ten such steps came in a row.
        """
        self.layout.sum_gradients([*self.trunk, *self.critic])
        longest = self.config.max_grad_norm
        norm, critic_norm = (
            self.layout.clip_gradient(part, longest) for part in (self.trunk, self.critic)
        )
        if torch.isfinite(norm + critic_norm):
            self.optimizer.step()
            weights_changed(self.policy)
            self._remember()
            self.skipped_in_a_row = 0
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1
        self.optimizer.zero_grad()
        if self.skipped_in_a_row == LOST_STEPS:
            raise FloatingPointError(
                f"{LOST_STEPS} steps in a row had no finite gradient: the run is lost; lower "
                "learning_rate and start again."
            )
        return norm.item()

    @torch.no_grad()
    def _remember(self) -> None:
        """Move the average a little towards the present weights (Ouyang et al. 2022: 0.992)."""
        for mean, weight in zip(self.average, self.policy.trunk_parameters(), strict=False):
            mean.lerp_(weight, 1 - self.config.ema)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the policy be its average over the steps, where one is kept."""
        if not self.average:
            yield
            return
        last = [weight.detach().clone() for weight in self.policy.trunk_parameters()]
        self._put(self.average)
        try:
            yield
        finally:
            self._put(last)

    @torch.no_grad()
    def _put(self, weights: list[torch.Tensor]) -> None:
        for weight, value in zip(self.policy.trunk_parameters(), weights, strict=True):
            weight.copy_(value)
        weights_changed(self.policy)

    def save(self, folder: Path | None) -> None:
        """Write what the next update needs into an empty folder.

        All processes of a policy that is cut do so together, the helping ones without a folder.
        """
        position: dict[str, Any] = {
            "update": self.update,
            "kl_coef": self.price.coefficient,
            "scale": asdict(self.scale),
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "first_length": self.first_length,
            "ended": self.ended,
            "steered": self.steered,
            "pending": [asdict(answer) for answer in self.pending],
        }
        self.layout.save(folder, self.optimizer, None, position)
        if self.average and folder is not None:
            means = {str(number): mean for number, mean in enumerate(self.average)}
            save_file(means, folder / "average.safetensors")

    def load(self, folder: Path) -> None:
        """Become what was saved."""
        position = self.layout.load(folder, self.optimizer, None)
        weights_changed(self.policy)
        self.update = position["update"]
        self.price = self.config.controller(position["kl_coef"])
        self.scale = RunningScale(**position["scale"])
        self.skipped = position["skipped"]
        self.skipped_in_a_row = position["skipped_in_a_row"]
        self.first_length = position["first_length"]
        self.ended = position["ended"]
        self.steered = position["steered"]
        self.pending = [_answer(saved) for saved in position["pending"]]
        if self.average:
            means = load_file(folder / "average.safetensors")
            self.average = [
                means[str(number)].to(weight.device)
                for number, weight in enumerate(self.policy.trunk_parameters())
            ]


def _answer(saved: dict[str, Any]) -> Generated:
    logprobs = saved["logprobs"]
    return Generated(
        **saved
        | {
            "token_ids": tuple(saved["token_ids"]),
            "logprobs": None if logprobs is None else tuple(logprobs),
        }
    )
