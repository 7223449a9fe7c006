"""A PPO run in a process of its own that is killed at a moment of one's choice.

Started by multiprocessing's fork server, which has imported everything: a start takes a moment.
"""

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from types import FrameType

import torch

from rlhf.learning import __main__ as program
from rlhf.learning.inputs import Start

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def start(directory: Path, last_call: int = 0) -> int:
    """Run until the end or until a function is called for the n-th time; returns the exit code.

    At that call the process is killed with SIGKILL: wherever it is, in whosever code. Zero lets it
    live, and the file `calls` in the folder then says how many there were.
    """
    process = CONTEXT.Process(target=_work, args=(directory, last_call))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _work(directory: Path, last_call: int) -> None:
    torch.set_num_threads(1)
    program.scorer_for = likes_length  # type: ignore[assignment]
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"
        if calls == last_call and event == "call":
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    code = program.main([str(directory)])
    sys.setprofile(None)
    (directory / "calls").write_text(str(calls))
    sys.exit(code)


def likes_length(start: Start, tokenizer: object) -> object:
    return lambda conversations, responses: [len(text) / 10 for text in responses]
