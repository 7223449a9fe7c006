"""How much memory a run will take, before anything of it is loaded.

An estimate: parameters are counted exactly, activations by what a layer of the Llama kind keeps
for its backward pass. docs/experiments.md has it beside what runs really took.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from rewardmodel.learning.devices import CPU, named
from rewardmodel.learning.precision import has_fast_bf16
from rlhf.generation.engine import ANSWERS_AT_ONCE, cache_bytes, cached_numbers
from rlhf.learning.output import TOKENS_AT_ONCE
from rlhf.learning.settings import PPOTraining

GIB = 2**30
TRAINED = 16  # bytes of a trained weight: itself, its gradient and Adam's two moments, in float32
WHOLE = 4  # bytes of a weight of a cut policy while it is put together, beside its piece
STEPPED = 4  # bytes of a weight in a copy that is stepped, where DeepSpeed cuts weights
# Bytes that a layer keeps of each token: hidden states around norms and attention in both number
# formats (per hidden unit), gate, up and their product (per unit between).
KEPT_PER_HIDDEN, KEPT_PER_BETWEEN = 40, 8
PROGRAM = 0.6 * GIB  # Python, torch and transformers, before any model
LIBRARIES = 0.6 * GIB  # what they take of a GPU for kernels and products; a guess, not measured
VLLM = 0.9 * GIB  # vLLM's own, without weights and without its cache


@dataclass(frozen=True)
class Size:
    """Numbers of weights, and the shape that decides about activations."""

    embeddings: int  # input and output, once where they are shared
    layers: int  # weights of all layers
    depth: int  # number of layers
    hidden: int
    between: int  # of the feed-forward part
    vocabulary: int
    cached: int  # numbers that an engine keeps of each token

    @property
    def all(self) -> int:
        """All weights."""
        return self.embeddings + self.layers

    @classmethod
    def of(cls, folder: Path) -> "Size":
        """Of the model in a Hugging Face folder; nothing of it is loaded."""
        config: PretrainedConfig = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        layers = sum(p.numel() for p in model.get_decoder().layers.parameters())
        return cls(
            embeddings=_count(model) - layers,
            layers=layers,
            depth=config.num_hidden_layers,
            hidden=config.hidden_size,
            between=config.intermediate_size,
            vocabulary=config.vocab_size,
            cached=cached_numbers(config),
        )


def estimate(
    policy: Size,
    reward_model: Size,
    config: PPOTraining,
    longest: int,
    *,
    vllm: bool,
    pieces: int = 1,
    stepped_apart: bool = False,
    held_out: Size | None = None,
    device: torch.device = CPU,
) -> dict[str, float]:
    """Bytes that a run takes of its device's memory at its peak, by what takes them.

    Args:
        policy: the parent.
        reward_model: the scorer's trunk.
        config: what learns, and in which portions.
        longest: tokens of a prompt and its answer together.
        vllm: whether vLLM answers in this process.
        pieces: into which the weights that learn are cut, each for a process.
        stepped_apart: whether a process has its pieces twice.
        held_out: the trunk of the reward model that is not followed; loaded only while nothing is
            trained.
        device: on which all of that is.
    """
    cut = TRAINED + (STEPPED if stepped_apart else 0)
    trained = cut / pieces + (WHOLE if pieces > 1 else 0)
    fast = config.precision == "auto" and has_fast_bf16(device)
    narrow = 2 if fast or config.precision == "bf16" else 4  # bytes of a number in a product
    tokens = min(config.tokens_per_pass, config.minibatch_size * longest)
    layers = config.top_layers if config.tuning == "top" else policy.depth
    kept = KEPT_PER_HIDDEN * policy.hidden + KEPT_PER_BETWEEN * policy.between
    activations = tokens * layers * kept * (narrow / 2) ** 0.5
    if config.tuning == "top":
        activations += config.batch_size * longest * policy.hidden * narrow
    logits = 3 * 4 * TOKENS_AT_ONCE * policy.vocabulary
    # The result is written when activations are gone, and put together on the CPU.
    written = 4 * policy.all if device.type == "cpu" else 0
    parts = {
        "program": PROGRAM if device.type == "cpu" else LIBRARIES,
        "policy": _policy(policy, config, narrow, trained),
        "activations": max(activations + logits, written, 4 * held_out.all if held_out else 0),
        "reward model": 4 * reward_model.all,
    }
    if config.critic == "separate":
        parts["critic"] = trained * policy.all + activations
    if vllm:
        cache = cache_bytes(policy.cached, longest, ANSWERS_AT_ONCE, narrow)
        parts["engine"] = VLLM + cache + narrow * (policy.all + policy.embeddings)
    return parts


def _policy(size: Size, config: PPOTraining, narrow: int, trained: float) -> float:
    """The weights that learn, those that do not, and the reference."""
    average = 8 if config.ema else 0  # the average, and the last weights while it is looked at
    if config.tuning == "full":
        return (trained + 4 + average + narrow) * size.all
    frozen = (4 + narrow) * size.embeddings
    if config.tuning == "lora":
        # Thin matrices beside every map: about rank times three hidden sizes for each of seven.
        thin = config.lora_rank * size.depth * 7 * (size.hidden * 2 + size.between)
        return frozen + 2 * narrow * size.layers + (TRAINED + average) * thin
    top = size.layers * config.top_layers / size.depth
    return frozen + narrow * size.layers + (TRAINED + average) * top


def check_memory(
    policy: Path,
    reward_model: Path,
    config: PPOTraining,
    longest: int,
    free: float,
    *,
    vllm: bool,
    pieces: int = 1,
    stepped_apart: bool = False,
    held_out: Path | None = None,
    device: torch.device = CPU,
) -> float:
    """Refuse a run that will not fit; returns the bytes that it will take.

    Raises:
        ValueError: it takes more than `free` bytes; the sentence says what takes most, and what
            would take less.
    """
    sizes = Size.of(policy), Size.of(reward_model)
    third = Size.of(held_out) if held_out else None
    parts = estimate(
        *sizes,
        config,
        longest,
        vllm=vllm,
        pieces=pieces,
        stepped_apart=stepped_apart,
        held_out=third,
        device=device,
    )
    needed = sum(parts.values())
    if needed > free:
        largest = max(parts.keys() - {"program"}, key=parts.__getitem__)
        raise ValueError(
            f"The run needs about {needed / GIB:.1f} GiB of {memory_on(device)} and "
            f"{free / GIB:.1f} are free; "
            f"most of it, {parts[largest] / GIB:.1f} GiB, is for the {largest}: "
            f"{advice(largest, config)}. Should the estimate be wrong, set memory_gib to what the "
            "run may take."
        )
    return needed


def advice(part: str, config: PPOTraining) -> str:
    """What to change so that a part takes less."""
    if part == "policy":
        return (
            "start from a smaller policy"
            if config.tuning == "lora"
            else "set tuning to lora or start from a smaller policy"
        )
    if part == "activations":
        return f"set tokens_per_pass below {config.tokens_per_pass} or max_prompt_tokens lower"
    if part == "critic":
        return "set critic to shared"
    if part == "engine":
        return "set generator to transformers, which is slower"
    return "train the reward model on a smaller policy"


def memory_on(device: torch.device) -> str:
    """What memory is called, where there is another than the machine's."""
    return "memory" if device.type == "cpu" else f"memory on {named(device)}"


def free_memory(device: torch.device = CPU) -> float:
    """Bytes that may still be taken: of a GPU, or of the machine or its container."""
    if device.type != "cpu":
        return float(torch.get_device_module(device).mem_get_info(device)[0])
    free = float(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            used = int((group / "memory.current").read_text())
            rows = (group / "memory.stat").read_text().splitlines()
            cached = dict(row.split() for row in rows).get("inactive_file", "0")
            free = min(free, int(limit) - used + int(cached))
    except (OSError, ValueError):
        pass  # no control group, or one of another kind: the machine's own figure stands
    return free


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
