"""One policy cut into as many parts as there are processes (FSDP), and put together again.

While it learns, every process keeps its part of each weight, of its gradient and of the optimiser's
moments, and the weights of one layer at a time are gathered for the pass that needs them. Between,
for sampling, measuring and writing, all weights are gathered for as long as that takes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlhf.learning.policy import Policy
from rlhf.learning.settings import PPOTraining
from rlhf.learning.texts import Texts


def is_wanted() -> bool:
    """Whether the launcher was asked for FSDP: `accelerate launch --use_fsdp` says so like this."""
    return _said("ACCELERATE_USE_FSDP")


def pieces() -> int:
    """Into how many pieces the weights that learn are cut."""
    return int(os.environ.get("WORLD_SIZE", "1")) if is_wanted() else 1


def check_launch(config: PPOTraining, generator: str, processes: int) -> None:
    """Refuse a way of launching that is not there, or not for these settings.

    Raises:
        ValueError: it is one; the sentence says what to do.
    """
    if _said("ACCELERATE_USE_DEEPSPEED"):
        raise ValueError("DeepSpeed is not supported; launch with --use_fsdp, which cuts as much.")
    if not is_wanted():
        return
    if processes < 2:
        raise ValueError("FSDP cuts a policy among processes; launch two or more, or none of it.")
    if config.tuning != "full":
        raise ValueError(
            f"FSDP cuts the weights that learn, which are few with tuning={config.tuning!r}: "
            "launch without it, or set tuning to 'full'."
        )
    if generator != "transformers":
        raise ValueError(
            f"generator={generator!r} can't take the weights of a policy that FSDP cut; set it to "
            "'transformers'."
        )
    for name in ("ema", "pretrain_coef"):
        if getattr(config, name):
            raise ValueError(f"{name} is not there for a policy that FSDP cut; set it to 0.")
    if config.batch_size < processes * config.answers_per_prompt:
        raise ValueError(
            f"batch_size={config.batch_size} leaves one of {processes} processes without answers."
        )


def shard(policy: Policy) -> None:
    """Let each process keep its part of the weights that learn, in place.

    Layers are gathered one by one; what is outside of them (embedding, norms, heads) together.
    The frozen reference stays whole everywhere, in the narrow format that it is in.
    """
    for layers in _stacks(policy):
        for layer in layers:
            _cut(layer, set())
    assert policy.reference is not None
    _cut(policy, set(policy.reference.parameters()))
    with torch.no_grad():  # the first pass through the whole tells FSDP what the whole is
        policy(Texts.of([[0]], [[0]]))
    policy.reset_iter_state()


def is_sharded(policy: Policy) -> bool:
    """Whether processes hold parts of the policy's weights."""
    return isinstance(policy, FSDPModule)


@contextmanager
def whole(policy: Policy) -> Iterator[None]:
    """Inside the block every process has all weights, and needs no other to use the policy.

    All processes enter it together. What is changed inside is lost with it.
    """
    if not isinstance(policy, FSDPModule):
        yield
        return
    policy.set_reshard_after_forward(False)
    for part in policy.modules():
        if isinstance(part, FSDPModule):
            part.unshard()
    try:
        yield
    finally:
        policy.set_reshard_after_forward(True)
        policy.reset_iter_state()


def _cut(module: nn.Module, ignored: set[nn.Parameter]) -> None:
    cut = fully_shard(module, ignored_params=ignored)
    # Losses are divided by the tokens of all processes already, so gradients are summed.
    cut.set_gradient_divide_factor(1.0)
    cut.set_force_sum_reduction_for_comms(True)


def _stacks(policy: Policy) -> list[nn.ModuleList]:
    """The layers of the language model, and those of a critic with a network of its own."""
    decoders = [policy.model.get_decoder()]
    if policy.critic is not None:
        decoders.append(policy.critic.trunk)
    return [decoder.layers for decoder in decoders if isinstance(decoder.layers, nn.ModuleList)]


def _said(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("true", "1")
