"""How the learning rate rises and falls over a training."""

import math

SCHEDULES = ("cosine", "linear", "constant")


def rate_share(step: int, steps: int, schedule: str, warmup: float) -> float:
    """Share of the highest learning rate at a step: a linear rise, then the schedule.

    Args:
        step: from 0.
        steps: of the whole training.
        schedule: cosine and linear fall to a tenth, constant stays.
        warmup: share of the steps in which the rate rises.
    """
    rise = warmup * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(1.0, steps - rise)
    if schedule == "cosine":
        return 0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2
    return 1 - 0.9 * done if schedule == "linear" else 1.0
