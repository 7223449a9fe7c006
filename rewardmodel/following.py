"""Starting a training program, following it, and recording how it ends."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery.worker import state as worker_state
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling import artifacts
from rewardmodel.runs import TrainingRun
from rewardmodel.sayings import KILLED, NO_WORD, NOT_STARTED, NOT_STORED
from rewardmodel.services.announcements import announce_end

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at the child
GRACE = 60.0  # seconds a child gets to write its checkpoint before it is killed
MOST_ATTEMPTS = 4  # starts, the first included, before a run that keeps dying is given up
EXIT_DONE, EXIT_STOPPED = 0, 75

# The child frees and takes the same large blocks at every step. Keeping them costs address space
# and saves page faults: measured 1.15 to 1.35 times faster. glibc reads these at the start only.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}

# Called once when the program has left its result, with the figures and the result's address.
OnSuccess = Callable[[dict[str, Any], str], object]


def follow(
    run: TrainingRun,
    prepare: Callable[[Path], None],
    succeed: OnSuccess,
    hand_over: Callable[[Path], None] | None = None,
) -> None:
    """Run the program of a claimed run to its end, a cancel, or the end of this worker.

    Args:
        run: claimed by the caller.
        prepare: writes config.json and data.jsonl into the directory; must give the same files
            every time.
        succeed: records the result and marks the run as succeeded, in one transaction.
        hand_over: called about every second; writes what people changed meanwhile into the
            directory.
    """
    directory = run.directory
    directory.mkdir(parents=True, exist_ok=True)
    try:
        prepare(directory)
        child = _start(run.program, directory)
    except Exception as problem:
        logger.exception("%s could not start", run)
        _end(run, TrainingRun.Status.FAILED, error=NOT_STARTED(problem=problem))
        return
    metrics = MetricsReader(run)
    cancelled = stopping = False
    asked_at = None
    try:
        while child.poll() is None:
            time.sleep(PAUSE)
            metrics.copy_new()
            if hand_over is not None:
                hand_over(directory)
            if not run.beat(timezone.now()):
                cancelled = True
            stopping = (
                worker_state.should_stop is not None and worker_state.should_stop is not False
            )
            if (cancelled or stopping) and asked_at is None:
                asked_at = time.monotonic()
                child.terminate()
            elif asked_at is not None and time.monotonic() - asked_at > GRACE:
                child.kill()
    finally:
        _reap(child)
    metrics.copy_new()
    _record(run, child.returncode, cancelled, directory, succeed)


def _start(program: str, directory: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        **ALLOCATOR,
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(settings.ROOT),
    }
    with (directory / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rewardmodel.learning.followed", program, str(directory)],
            stdin=subprocess.PIPE,  # closes when this worker dies: the child then stops by itself
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=settings.ROOT,
            start_new_session=True,  # Ctrl-C at a terminal is this worker's business
        )


def _reap(child: "subprocess.Popen[bytes]") -> None:
    """Leave no process behind, even when following failed half-way."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _record(
    run: TrainingRun, code: int, cancelled: bool, directory: Path, succeed: OnSuccess
) -> None:
    if code == EXIT_DONE:
        _publish(run, directory, succeed)
    elif cancelled:
        _record_cancel(run)
    elif code == EXIT_STOPPED or (code < 0 and run.attempts < MOST_ATTEMPTS):
        # Killed, perhaps for memory, or stopped with the worker: the next start resumes it.
        _end(run, TrainingRun.Status.QUEUED)
    elif code < 0:
        name = signal.Signals(-code).name
        _end(
            run,
            TrainingRun.Status.FAILED,
            error=KILLED(signal=name, times=run.attempts),
        )
    else:
        _end(run, TrainingRun.Status.FAILED, error=last_sentence(directory / "log.txt"))


def _publish(run: TrainingRun, directory: Path, succeed: OnSuccess) -> None:
    try:
        figures = json.loads((directory / "result" / "result.json").read_text(encoding="utf-8"))
        checkpoint = artifacts.publish(
            directory / "result", f"{run._meta.model_name}s/{run.pk}-{run.created_at:%Y%m%d%H%M%S}"
        )
        succeed(figures, checkpoint)
    except Exception as problem:
        logger.exception("%s finished, but its result could not be recorded", run)
        _end(
            run,
            TrainingRun.Status.FAILED,
            error=NOT_STORED(problem=problem),
        )
        return
    shutil.rmtree(directory / "result", ignore_errors=True)  # the artifact store has it


def succeeded(run: TrainingRun, figures: dict[str, Any], checkpoint: str) -> bool:
    """Mark a run as succeeded; false when it was cancelled or taken over meanwhile."""
    return _end(run, TrainingRun.Status.SUCCEEDED, figures=figures, checkpoint=checkpoint)


def _record_cancel(run: TrainingRun) -> None:
    """A run that lost its claim was cancelled by a person, or is another worker's now."""
    mine = type(run)._default_manager.filter(
        pk=run.pk, claim_key=run.claim_key, cancel_requested_at__isnull=False
    )
    now = timezone.now()
    with transaction.atomic():
        if mine.update(status=TrainingRun.Status.CANCELLED, finished_at=now):
            announce_end(run, TrainingRun.Status.CANCELLED, now, {})


def _end(run: TrainingRun, status: str, **values: Any) -> bool:
    """Write how the run ended, unless it is no longer this worker's."""
    now = timezone.now()
    if status != TrainingRun.Status.QUEUED:
        values["finished_at"] = now
    mine = type(run)._default_manager.filter(pk=run.pk, claim_key=run.claim_key, status="running")
    with transaction.atomic():
        ended = bool(mine.update(status=status, **values))
        if ended:
            announce_end(run, status, now, values.get("figures", {}), values.get("error", ""))
    return ended


def last_sentence(log: Path) -> str:
    """The last line a program left: by contract the reason why it ended."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else NO_WORD()


class MetricsReader:
    """Copies the lines of metrics.jsonl into the database as they appear."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.path = run.directory / "metrics.jsonl"
        self.seen = (0, 0)  # inode and bytes read: a rewound file is a new file

    def copy_new(self) -> None:
        rows = self._new_rows()
        if not rows:
            return
        metric = self.run.metrics.model
        steps = {
            row["step"]: metric(
                run=self.run,
                step=row["step"],
                values={k: v for k, v in row.items() if k not in ("step", "steps")},
            )
            for row in rows
        }
        metric._default_manager.bulk_create(
            steps.values(),
            update_conflicts=True,  # a resumed run measures the last steps once more
            unique_fields=["run", "step"],
            update_fields=["values"],
        )
        newest = rows[-1]
        type(self.run)._default_manager.filter(pk=self.run.pk, claim_key=self.run.claim_key).update(
            step=newest["step"], steps=newest.get("steps", 0)
        )

    def _new_rows(self) -> list[dict[str, Any]]:
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            return []
        offset = self.seen[1] if self.seen[0] == inode else 0
        with self.path.open("rb") as file:
            file.seek(offset)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]  # a line being written is read next time
        self.seen = (inode, offset + len(complete))
        return [json.loads(line) for line in complete.splitlines()]
