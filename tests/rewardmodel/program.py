"""`python -m tests.rewardmodel.program DIRECTORY` keeps a program's contract and learns nothing.

Its config says what it does: how many steps, how long each, where it breaks.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from rewardmodel.learning.rundirectory import EXIT_STOPPED, RunDirectory, write_text


def main() -> None:
    directory = RunDirectory(Path(sys.argv[1]))
    directory.begin()
    config = directory.config()
    checkpoint = directory.newest_checkpoint()
    done = int((checkpoint / "step").read_text()) if checkpoint else 0
    directory.rewind(done)
    with (directory.path / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} from {done}\n")
    for step in range(done + 1, config["steps"] + 1):
        time.sleep(config.get("seconds", 0.02))
        directory.report(
            {"step": step, "steps": config["steps"], "seconds": 0.02, "loss": 1 / step}
        )
        with directory.checkpoint(step) as folder:
            write_text(folder / "step", str(step))
        if step == config.get("fail_at"):
            sys.exit("The data is upside down; turn it round.")
        if step == config.get("die_at") and not done:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == config.get("always_die_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if directory.stop_requested:
            sys.exit(EXIT_STOPPED)
    with directory.result({"accuracy": 0.75, "length_baseline": 0.5}) as folder:
        (folder / "model.json").write_text(json.dumps({"steps": config["steps"]}))


if __name__ == "__main__":
    main()
