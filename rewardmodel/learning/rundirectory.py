"""The folder through which a training program and the one who started it talk.

    config.json     written by the caller before the start
    data.jsonl      frozen rows, written by the caller before the start
    metrics.jsonl   one JSON object a line, appended while the program runs
    checkpoints/    step-00000050/ ..., the newest two; removed once there is a result
    result/         appears last, whole or not at all; its existence means success

Every folder is filled under a temporary name and renamed when it is complete, so that a kill at any
moment leaves either the old state or the new one.
"""

import json
import math
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

EXIT_DONE, EXIT_FAILED, EXIT_STOPPED = 0, 1, 75  # 75 is EX_TEMPFAIL of sysexits.h: try again
KEPT_CHECKPOINTS = 2  # the newest, and one in case the newest was written by a failing disk


class Stopped(Exception):
    """The run was asked to stop and nothing is lost: the same command goes on from here."""


class RunDirectory:
    """One run of one training program, on disk."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.stop_requested = False
        self._stops_at_once = False

    def begin(self, *, writes: bool = True) -> None:
        """Become the one process that writes here; only the training program calls this.

        Folders that a kill left half-filled are removed. SIGTERM from now on asks for a stop
        instead of killing: the loop looks at `stop_requested`.

        Args:
            writes: False for the other processes of a training that several share.
        """
        unfinished = [*self.path.glob("*.unfinished"), *self.path.glob("*/*.unfinished")]
        for folder in unfinished if writes else []:
            shutil.rmtree(folder)
        signal.signal(signal.SIGTERM, self._ask_to_stop)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self.stop_requested = True
        if self._stops_at_once:
            raise Stopped

    @contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """For stretches with nothing to save (loading, measuring): SIGTERM raises `Stopped`."""
        if self.stop_requested:
            raise Stopped
        self._stops_at_once = True
        try:
            yield
        finally:
            self._stops_at_once = False

    # What the caller wrote

    def config(self) -> dict[str, Any]:
        """The settings of the run.

        Raises:
            ValueError: config.json is missing or is not a JSON object.
        """
        try:
            config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"There is no config.json in {self.path}; write one first.") from None
        except ValueError as error:
            raise ValueError(f"config.json is not valid JSON ({error}); write it again.") from None
        if not isinstance(config, dict):
            raise ValueError("config.json must hold one JSON object; write it again.")
        return config

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of data.jsonl with their line numbers from 1; empty lines are passed over.

        Raises:
            ValueError: the file is missing, or a line is not a JSON object in UTF-8.
        """
        path = self.path / "data.jsonl"
        if not path.exists():
            raise ValueError(f"There is no data.jsonl in {self.path}; write the snapshot first.")
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _row(number, line)

    # What the program tells

    def report(self, metrics: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl, readable at once; NaN and infinity become null."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite(metrics), allow_nan=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Every complete line reported so far; a line cut by a kill is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def rewind(self, step: int) -> None:
        """Forget what was reported after `step`: those steps will be made, and told, again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        write_rows(self.path / "metrics.jsonl", kept)

    # What survives a kill

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """Give an empty folder to fill; when the block ends well it is the newest checkpoint."""
        with whole_folder(self.path / "checkpoints" / f"step-{step:08d}") as folder:
            yield folder
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def newest_checkpoint(self) -> Path | None:
        """The folder to resume from, or None when the run has to start at the beginning."""
        return next(reversed(self._checkpoints()), None)

    def _checkpoints(self) -> list[Path]:
        found = (self.path / "checkpoints").glob("step-*")
        return sorted(path for path in found if path.suffix != ".unfinished")

    @property
    def finished(self) -> bool:
        return (self.path / "result" / "result.json").exists()

    @contextmanager
    def result(self, figures: dict[str, Any]) -> Iterator[Path]:
        """Give an empty folder for the model files; when the block ends well the run is done."""
        with whole_folder(self.path / "result") as folder:
            yield folder
            write_json(folder / "result.json", figures)
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)  # gigabytes nobody needs now


def _row(number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError:
        raise ValueError(f"data.jsonl line {number} is not JSON in UTF-8; mend it.") from None
    if not isinstance(row, dict):
        raise ValueError(f"data.jsonl line {number} is not a JSON object; mend it.")
    return row


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Fill a folder so that others see it complete or not at all.

    The folder is built beside `target` and renamed at the end; if the block raises, nothing stays.
    """
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if target.exists():  # a step made again after its own checkpoint: rename needs the place free
        shutil.rmtree(target)
    os.replace(unfinished, target)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object at once; NaN and infinity become null."""
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write JSON lines, one row in memory at a time, so that others never see a part of them."""
    with _whole_file(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_text(path: Path, text: str) -> None:
    """Write a file so that others see the old text or the new one, never a part."""
    with _whole_file(path) as file:
        file.write(text)


@contextmanager
def _whole_file(path: Path) -> Iterator[TextIO]:
    unfinished = path.with_name(path.name + ".writing")
    with unfinished.open("w", encoding="utf-8") as file:
        yield file
    os.replace(unfinished, path)


def finite(value: Any) -> Any:
    """The same value with null for each number that JSON can't hold (NaN, infinity)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
