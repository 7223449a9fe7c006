"""`python -m bench`: every measurement in turn. `python -m bench labeling --help`: one of them."""

import subprocess
import sys
from pathlib import Path

# On a file of one's own besides: reward (quality, and speed beside TRL), reward_folds, frontier.
ALL = [["labeling"], ["ppo"], ["labels"], ["rollout"]]


def main() -> None:
    """Each runs in a process of its own, so that none warms or burdens another."""
    folder = Path(__file__).resolve().parent
    names = sorted(file.stem for file in folder.glob("[a-z]*.py"))
    chosen = sys.argv[1:]
    if chosen and chosen[0] not in names:
        sys.exit(f"{chosen[0]} is not measured here; choose one of {', '.join(names)}.")
    for each in [chosen] if chosen else ALL:
        print(f"== {' '.join(each)}", flush=True)
        code = subprocess.run([sys.executable, "-m", f"bench.{each[0]}", *each[1:]], check=False)
        if code.returncode:
            sys.exit(code.returncode)


if __name__ == "__main__":
    main()
