"""What every training program does around its training: how it ends, and how it reads settings."""

import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import fields
from io import StringIO
from typing import Any, TypeVar

from rewardmodel.learning.rundirectory import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_STOPPED,
    RunDirectory,
    Stopped,
)

Settings = TypeVar("Settings")


def run_to_end(
    directory: RunDirectory, run: Callable[[RunDirectory], None], *, writes: bool = True
) -> int:
    """Run, or go on with, the training in a directory until its result is there.

    Args:
        directory: of the run.
        run: the training.
        writes: False for those processes of a shared training that only help.

    Returns:
        The exit code. EXIT_FAILED where `run` raised: of a ValueError, which refuses something, the
        log ends with its one sentence, of anything else with its name after the traceback.
    """
    if directory.finished:
        return EXIT_DONE
    directory.begin(writes=writes)
    try:
        run(directory)
    except Stopped:
        print("Stopped; the same command goes on from here.", flush=True)
        return EXIT_STOPPED
    except ValueError as refusal:
        print(in_one_line(refusal), file=sys.stderr)
        return EXIT_FAILED
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {in_one_line(error)}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def in_one_line(error: Exception) -> str:
    """A run's page shows the last line of its log."""
    return " ".join(str(error).split())


def algorithm_settings(
    kind: type[Settings], settings: dict[str, Any], apart: Collection[str]
) -> Settings:
    """The settings of the algorithm among those of the run.

    Args:
        kind: a dataclass that checks its values.
        settings: of config.json.
        apart: names in it that are not about the algorithm.

    Raises:
        ValueError: the model is missing, or a setting is unknown, of a wrong type or out of range.
    """
    if "model" not in settings:
        raise ValueError("config.json names no model; add the folder of the one to start from.")
    chosen = {key: value for key, value in settings.items() if key not in apart}
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(chosen.keys() - known):
        raise ValueError(f"config.json has unknown settings: {', '.join(unknown)}; remove them.")
    try:
        return kind(**chosen)
    except TypeError as error:
        raise ValueError(f"A setting in config.json has a wrong type ({error}).") from error


@contextmanager
def silence(wanted: bool) -> Iterator[None]:
    """Say nothing inside the block: one process speaks for all."""
    with redirect_stdout(StringIO()) if wanted else nullcontext():
        yield


def say(sentence: str) -> None:
    """Tell whoever reads the log."""
    print(sentence, flush=True)
