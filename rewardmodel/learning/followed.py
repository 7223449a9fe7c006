"""`python -m rewardmodel.learning.followed PROGRAM DIRECTORY`: a program tied to its parent.

Only one process works in a directory: a second one waits for the first to leave. When the parent
dies, the pipe it held on our standard input closes, and the program is asked to stop as by SIGTERM:
it writes a checkpoint, from which the next parent resumes it.
"""

import fcntl
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

NICE = 10  # pages and labelers go first
LONGEST_WAIT = 300.0  # seconds for another process to write its checkpoint and leave


def stop_with_parent() -> None:
    """Ask this process to stop when standard input closes."""

    def watch() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock, held here, would abort the exit
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def hold(directory: Path) -> int:
    """Lock the directory for the life of this process; returns the open lock.

    Raises:
        TimeoutError: another process still works in it.
    """
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"Another process still works in {directory}; stop it and start again."
                ) from None
            time.sleep(0.5)


def main() -> None:
    program, directory = sys.argv[1], Path(sys.argv[2])
    os.nice(NICE)
    try:
        hold(directory)
    except TimeoutError as busy:
        sys.exit(str(busy))
    stop_with_parent()
    sys.argv = [program, str(directory)]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
