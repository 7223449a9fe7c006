"""`python -m bench`: the usual measurements. `python -m bench labeling --help`: one of them."""

import subprocess
import sys

# Without an argument these; the others take long, or need a file of one's own.
ALL = ("labeling", "ppo", "labels", "rollout")
KNOWN = (*ALL, "alarm", "dashboards", "prompts", "sft", "reward", "reward_folds", "frontier")


def main() -> None:
    """Each runs in a process of its own, so that none warms or burdens another."""
    names, options = ([sys.argv[1]], sys.argv[2:]) if sys.argv[1:] else (ALL, [])
    if unknown := [name for name in names if name not in KNOWN]:
        sys.exit(f"{unknown[0]} is not measured here; choose one of {', '.join(KNOWN)}.")
    for name in names:
        print(" ".join(["==", name, *options]), flush=True)
        code = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False)
        if code.returncode:
            sys.exit(code.returncode)


if __name__ == "__main__":
    main()
