"""Trainings by two processes, started as `accelerate launch` starts them."""

import subprocess
import sys
from pathlib import Path

LAUNCH = [sys.executable, "-m", "accelerate.commands.launch"]
LAUNCH += ["--num_processes=2", "--num_machines=1", "--main_process_port=0"]
LAUNCH += ["--mixed_precision=no", "--dynamo_backend=no"]

WHOLE = ["--multi_gpu"]  # what accelerate calls several processes, on CPUs as well
FSDP = ["--use_fsdp", "--fsdp_version=2"]
ZERO_2, ZERO_3 = (["--use_deepspeed", f"--zero_stage={stage}"] for stage in (2, 3))


def command(way: list[str], program: str, directory: Path) -> list[str]:
    """What starts a program in a directory in one of those ways."""
    return [*LAUNCH, *way, "-m", program, str(directory)]


def by_two(way: list[str], program: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """The run by two processes, to its end."""
    return subprocess.run(
        command(way, program, directory), capture_output=True, text=True, check=False
    )
