"""The curves of a run for TensorBoard, beside metrics.jsonl: tensorboard --logdir DIRECTORY."""

import math
import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary


class Events:
    """Event files in the folder `tensorboard` of a run's directory, one for each start.

    Written in step with the run: the package's usual writer hands events to a thread through a
    queue, and a kill would lose what is in it.
    """

    def __init__(self, directory: Path, step: int) -> None:
        """Go on after a step; what was drawn of later ones before a kill is taken back."""
        folder = directory / "tensorboard"
        folder.mkdir(exist_ok=True)
        # names have seconds, and a run may start twice in one
        self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def add(self, metrics: dict[str, Any]) -> None:
        """Draw the finite numbers of one step, readable at once."""
        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in metrics.items()
            if name not in ("step", "steps") and isinstance(value, int | float)
            if math.isfinite(value)
        ]
        summary = Summary(value=values)
        self._write(Event(wall_time=time.time(), step=metrics["step"], summary=summary))

    def _write(self, event: Event) -> None:
        self._writer.write_event(event)
        self._writer.flush()
