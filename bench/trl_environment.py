"""TRL in an environment of its own, for benchmarks that measure beside it.

    python -m bench trl_environment

makes it (once: about three minutes and 2 GB under var/bench/). TRL 1.12.0 is the last release with
PPO. torch, transformers and the libraries under both are those that Accord runs on, so that a
measurement compares the two programs and nothing else.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRL = "1.12.0"
SHARED = ("torch", "transformers", "accelerate", "datasets", "peft", "numpy", "tokenizers")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
ALLOCATOR = {  # large blocks are kept and used again; glibc reads these when a process starts
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def python() -> Path:
    """The interpreter of the environment; makes the environment where it is not complete."""
    folder = Path(os.environ.get("ACCORD_VAR", ROOT / "var")) / "bench" / f"trl-{TRL}"
    found = folder / "bin" / "python"
    complete = folder / "complete"
    wanted = "\n".join(packages())
    if not complete.exists() or complete.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, found)
        complete.write_text(wanted, encoding="utf-8")
    return found


def packages() -> list[str]:
    """What is installed: TRL, and the versions that Accord's own lists name of what both need."""
    lists = (ROOT / name for name in ("requirements.txt", "requirements-dev.txt"))
    lines = [line for each in lists for line in each.read_text(encoding="utf-8").splitlines()]
    pinned = {line.split("==")[0]: line for line in lines if re.match(r"[\w.-]+==", line)}
    return [*(pinned[name] for name in SHARED), f"trl=={TRL}"]


def environment(threads: int, **more: str) -> dict[str, str]:
    """The variables under which a TRL arm runs: no network, nothing said that is not asked for."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        **more,
    }


def _make(folder: Path, found: Path) -> None:
    print(f"Making {folder} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    torch, *others = packages()
    # As in the Makefile: a CPU build that pip knows, else that of PyTorch's own index.
    build = f"{torch}+cpu"
    if _pip(found, build, check=False):
        _pip(
            found, "--index-url", TORCH_INDEX, "--extra-index-url", "https://pypi.org/simple", build
        )
    _pip(found, build, *others)


def _pip(found: Path, *words: str, check: bool = True) -> int:
    command = [str(found), "-m", "pip", "install", "--quiet", *words]
    return subprocess.run(command, check=check, stdout=sys.stderr).returncode


if __name__ == "__main__":
    print(python())
