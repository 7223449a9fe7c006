"""Weights, gradients and moments cut by DeepSpeed (ZeRO).

DeepSpeed takes a training over: its engine goes backward, sums, shortens, steps and saves. Here it
does the first two, keeps the parts and moves them; norms, steps that are skipped and checkpoints
stay those of every other run. At stage 2 weights are whole everywhere, gradients and moments are
cut; at stage 3 the weights are cut, too.

Source: Rajbhandari et al. 2020 (arXiv:1910.02054).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import get_rank, get_world_size
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rewardmodel.learning.processes import Crew
from rewardmodel.learning.sharding.launch import deepspeed_stage
from rewardmodel.learning.sharding.layout import Layout
from rewardmodel.learning.shards import Piece

NUMBERS_AT_ONCE = 20_000_000  # that are summed or gathered together; 80 MB
MOMENTS = ("exp_avg", "exp_avg_sq")


class Zero(Layout):
    """The layout of DeepSpeed's stages."""

    in_step = True

    def __init__(self, module: nn.Module, crew: Crew) -> None:
        super().__init__(module, crew)
        self.stage = deepspeed_stage()

    def optimizer(self, optimizer: Optimizer) -> Optimizer:
        import deepspeed  # takes seconds, and is there only where somebody wants it

        # It calls PyTorch by names that PyTorch calls old, in every pass.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
        _compile_nothing_on_cpus(next(self.module.parameters()).device)
        groups = [dict(group) for group in optimizer.param_groups]
        self.engine, *_ = deepspeed.initialize(
            model=_Learning(self.module),
            optimizer=optimizer,
            config=_configuration(self.stage, self.crew.size),
            dist_init_required=False,
        )
        self.view = _WholeView(self.engine.optimizer, groups)
        return self.view

    def __call__(self, *inputs: Any) -> Any:
        return self.engine(*inputs)

    def backward(self, loss: Tensor) -> None:
        # DeepSpeed divides sums by the number of processes; a loss is a share of the sum already.
        self.engine.backward(loss * self.crew.size)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """DeepSpeed has done so in each pass."""
        self.view.finish_gradients()

    @torch.no_grad()
    def clip_gradient(self, parameters: Sequence[nn.Parameter], longest: float) -> Tensor:
        parts = self.view.gradients(parameters)
        (squares,) = self.crew.total(torch.stack([part.square().sum() for part in parts]).sum())
        norm = squares.sqrt()
        if longest:
            shorter = (longest / (norm + 1e-6)).clamp(max=1.0)  # as clip_grad_norm_ has it
            for part in parts:
                part.mul_(shorter)
        return norm

    @contextmanager
    def whole(self) -> Iterator[None]:
        if self.stage < 3:
            yield
            return
        hooks = self.engine.optimizer.parameter_offload
        hooks.partition_all_parameters()
        hooks.destroy()  # or the first pass would put away what it has used
        try:
            with self._gathered():
                yield
        finally:
            hooks.forward_hooks, hooks.backward_hooks = [], []
            hooks.setup_zero_stage3_hooks()

    def save(
        self,
        folder: Path | None,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        position: dict[str, Any],
    ) -> None:
        with self.whole():
            super().save(folder, optimizer, scheduler, position)

    def load(
        self, folder: Path, optimizer: Optimizer, scheduler: LRScheduler | None
    ) -> dict[str, Any]:
        with self._gathered(modifier_rank=0):
            position = super().load(folder, optimizer, scheduler)
        self.engine.optimizer.refresh_fp32_params()
        return position

    def _gathered(self, **changed: int) -> AbstractContextManager[None]:
        """Inside the block the weights that stage 3 cut are whole; at other stages they are."""
        from deepspeed.runtime.zero import GatheredParameters

        return GatheredParameters(self.engine.module.parameters(), **changed)


class _Learning(nn.Module):
    """What learns of a module, for DeepSpeed to cut: it would cut what is frozen as well."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            child
            for child in module.children()
            if any(weight.requires_grad for weight in child.parameters())
        )
        self._all = (module,)  # in a tuple, or it would be a part

    def forward(self, *inputs: Any) -> Any:
        return self._all[0](*inputs)


class _WholeView(Optimizer):
    """DeepSpeed's optimiser of parts, seen as one of whole weights."""

    def __init__(self, zero: Any, groups: list[dict[str, Any]]) -> None:
        """See an optimiser so.

        Args:
            zero: DeepSpeed's.
            groups: of the whole weights, as they were before DeepSpeed had them.
        """
        super().__init__(groups, {})
        self.zero = zero
        self.finished = False  # whether the gradients of all passes can be seen
        # The parts of this process, each with the number of its group. A group is in one part, or
        # at stage 3 in several.
        if hasattr(zero, "fp32_partitioned_groups_flat"):
            self.parts: list[Tensor] = zero.fp32_partitioned_groups_flat
            self.group_of = [zero.sub_group_to_group_id[n] for n in range(len(self.parts))]
        else:
            self.parts = zero.single_partition_of_fp32_groups
            self.group_of = [*range(len(self.parts))]
        for part in self.parts:  # as AdamW begins; now, so that they can be loaded
            start = {name: torch.zeros_like(part) for name in MOMENTS}
            zero.optimizer.state[part] = {"step": torch.zeros((), device=part.device), **start}
        if hasattr(zero, "_lazy_init_hp_params_optimizer_state"):
            zero._lazy_init_hp_params_optimizer_state()

    def finish_gradients(self) -> None:
        """Let the gradients of all passes since the last step be seen."""
        self.zero.finalize_gradient_accumulation_boundary()
        self.finished = True

    def gradients(self, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        """This process's parts of the gradient of a group, to be changed in place."""
        firsts = [group["params"][0] for group in self.param_groups]
        [wanted] = [number for number, first in enumerate(firsts) if first is parameters[0]]
        return [
            gradient
            for part, number in enumerate(self.group_of)
            if number == wanted
            for gradient in self.zero.averaged_gradients[part]
        ]

    def step(self, closure: Any = None) -> None:
        for mine, theirs in zip(self.param_groups, self.zero.param_groups, strict=True):
            theirs.update({key: value for key, value in mine.items() if key != "params"})
        self.zero.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        if not self.finished:
            self.finish_gradients()  # or they would be added to the next step's
        self.zero.zero_grad(set_to_none)
        self.finished = False

    def state_dict(self) -> dict[str, Any]:
        """As AdamW of the whole weights has it, with moments that are yet to be gathered."""
        step = self.zero.optimizer.state[self.parts[0]]["step"]
        state: dict[int, dict[str, Any]] = {}
        groups = []
        for group in self.param_groups:
            numbers = [*range(len(state), len(state) + len(group["params"]))]
            for number, weight in zip(numbers, group["params"], strict=True):
                moments = {name: Piece(partial(_moment, weight, name)) for name in MOMENTS}
                state[number] = {"step": step.clone(), **moments}
            groups.append({**group, "params": numbers})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({key: value for key, value in saved.items() if key != "params"})
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for number, moments in state_dict["state"].items():
            for name in MOMENTS:
                _set_moment(weights[number], name, moments[name])
            for part in self.parts:
                self.zero.optimizer.state[part]["step"].copy_(moments["step"])


def _moment(weight: nn.Parameter, name: str) -> Tensor:
    """The whole of a moment of a weight. All processes ask for it together."""
    from deepspeed.utils import safe_get_full_optimizer_state

    return safe_get_full_optimizer_state(weight, name)


def _set_moment(weight: nn.Parameter, name: str, value: Tensor) -> None:
    """Let this process have its part of a moment of a weight."""
    from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

    if not hasattr(weight, "ds_id"):
        safe_set_full_optimizer_state(weight, value, name)
        return
    # Stage 3 fills up what does not divide by the number of processes, but not where it is set.
    length = weight.partition_numel()
    padded = nn.functional.pad(value.flatten(), (0, length * get_world_size() - value.numel()))
    safe_set_local_optimizer_state(weight, padded.split(length)[get_rank()], name)


def _configuration(stage: int, processes: int) -> dict[str, Any]:
    """What DeepSpeed is told; all that it would decide about a step is left to the training."""
    return {
        "train_micro_batch_size_per_gpu": 1,  # must be there; nothing is computed from it
        "train_batch_size": processes,
        "managed_gradient_accumulation": False,  # the training says when a step is complete
        "gradient_clipping": 0.0,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # its own Adam would have to be compiled
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": False,
            "reduce_bucket_size": NUMBERS_AT_ONCE,
            "allgather_bucket_size": NUMBERS_AT_ONCE,
            "stage3_prefetch_bucket_size": NUMBERS_AT_ONCE,
            "stage3_param_persistence_threshold": 0,  # the smallest weights are cut, too
        },
    }


def _compile_nothing_on_cpus(device: torch.device) -> None:
    """Keep DeepSpeed from compiling C++ on a CPU, for sums that gloo makes as well."""
    if device.type != "cpu":
        return
    from deepspeed.accelerator import set_accelerator
    from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator

    class Plain(CPU_Accelerator):
        """CPUs for which nothing is compiled."""

        def create_op_builder(self, op_name: str) -> None:
            return None

    set_accelerator(Plain())
