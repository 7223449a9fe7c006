"""On which device a process computes: on a GPU of its own where there is one, else on the CPU.

Weights, their gradients and what passes between layers are on it. Token ids come from the CPU, and
the figures of answers (log-probabilities, values, scores) go back there: they are small, and what
is made of them is the same everywhere. So is all randomness, which is drawn on the CPU.
"""

import os

import torch

VARIABLE = "TRAINING_DEVICE"  # cpu, cuda or cuda:1; unset is cuda where it is there
CPU = torch.device("cpu")


def own_device() -> torch.device:
    """The device of this process.

    Where a launcher starts several processes on a machine, it numbers them in LOCAL_RANK, and each
    has the GPU of its number.

    Raises:
        ValueError: TRAINING_DEVICE names no device, or there are fewer GPUs than that.
    """
    chosen = os.environ.get(VARIABLE, "").strip()
    if not chosen and not torch.cuda.is_available():
        return CPU
    try:
        device = torch.device(chosen or "cuda")
    except RuntimeError:
        raise ValueError(
            f"{VARIABLE}={chosen!r} is no device; set it to cpu or cuda, or leave it out."
        ) from None
    if device.type != "cuda":
        return device
    number = int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index
    count = torch.cuda.device_count()
    if number >= count:
        raise ValueError(
            f"This process would compute on GPU {number}, counted from 0, and {count} are here: "
            f"start one process for each GPU, or set {VARIABLE}=cpu."
        )
    return torch.device("cuda", number)


def named(device: torch.device) -> str:
    """A device as a person calls it."""
    if device.type == "cpu":
        return "the CPU"
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
