"""Runs that are asked to stop in their midst."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rewardmodel.learning.rundirectory import RunDirectory


@contextmanager
def stopping_after(step: int) -> Iterator[None]:
    """Inside the block, runs of this process get SIGTERM when they have told of a step."""
    report = RunDirectory.report

    def interrupted(self: RunDirectory, metrics: dict[str, Any]) -> None:
        report(self, metrics)
        if metrics["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "report", interrupted)
        yield
