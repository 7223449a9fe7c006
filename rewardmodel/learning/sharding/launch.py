"""What `accelerate launch` was asked for: its words reach a program as variables."""

import os
from importlib.util import find_spec
from typing import Literal

Way = Literal["", "FSDP", "DeepSpeed"]

DEEPSPEED_STAGES = (2, 3)  # 2 cuts gradients and moments, 3 the weights, too


def wanted() -> Way:
    """In which way the weights that learn are to be cut; "" for not at all."""
    if _said("ACCELERATE_USE_DEEPSPEED"):
        return "DeepSpeed"
    return "FSDP" if _said("ACCELERATE_USE_FSDP") else ""


def pieces() -> int:
    """Into how many pieces the weights that learn are cut."""
    return int(os.environ.get("WORLD_SIZE", "1")) if wanted() else 1


def cuts_weights_twice() -> bool:
    """Whether a process has its piece of a weight twice: DeepSpeed steps a copy of what it cut."""
    return wanted() == "DeepSpeed" and deepspeed_stage() == 3


def deepspeed_stage() -> int:
    """How much DeepSpeed is to cut, one of DEEPSPEED_STAGES; `accelerate launch` says 2 itself."""
    return int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2"))


def check_launch(tuning: str, processes: int) -> None:
    """Refuse a way of launching that is not there, or not for these settings.

    Args:
        tuning: which weights learn; "full" for all.
        processes: how many there are.

    Raises:
        ValueError: it is one; the sentence says what to do.
    """
    way = wanted()
    if not way:
        return
    if processes < 2:
        raise ValueError(f"{way} cuts a model among processes; launch two or more, or none of it.")
    if tuning != "full":
        raise ValueError(
            f"{way} cuts the weights that learn, which are few with {tuning!r}: launch without "
            "it, or let all weights learn ('full')."
        )
    if way == "DeepSpeed":
        _check_deepspeed()
    else:
        # Each process reads the weights itself. The default of `accelerate launch` leaves them
        # zero in all but the first, for a library that hands them over; this program does not.
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"


def _check_deepspeed() -> None:
    if find_spec("deepspeed") is None:
        raise ValueError(
            "DeepSpeed is not installed; install requirements-deepspeed.txt, or launch with "
            "--use_fsdp, which cuts as much."
        )
    if os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE"):
        raise ValueError(
            "A configuration file of DeepSpeed is not read; launch with --zero_stage instead."
        )
    if deepspeed_stage() not in DEEPSPEED_STAGES:
        raise ValueError(
            f"zero_stage={deepspeed_stage()} is not there; launch with 2, which cuts gradients and "
            "the optimizer's moments, or with 3, which cuts weights, too."
        )
    for part in ("OPTIMIZER", "PARAM"):
        device = os.environ.get(f"ACCELERATE_DEEPSPEED_OFFLOAD_{part}_DEVICE", "none")
        if device != "none":
            raise ValueError(
                f"DeepSpeed can't keep anything on the {device!r} here; launch with "
                f"--offload_{part.lower()}_device none."
            )


def _said(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("true", "1")
