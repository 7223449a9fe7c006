"""Event files that TensorBoard reads: the numbers, and nothing of what a kill undid."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog

from rewardmodel.learning.events import Events


def events(folder: Path) -> list[Event]:
    """Every record of every file: eight bytes of length, a checksum, the event, a checksum."""
    found = []
    for file in sorted((folder / "tensorboard").iterdir(), key=lambda file: file.name[-19:]):
        data, place = file.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            found.append(Event.FromString(data[place + 12 : place + 12 + length]))
            place += length + 16
    return found


def drawn(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
    ]


def test_every_finite_number_of_a_step_is_drawn_at_once(tmp_path):
    writer = Events(tmp_path, 0)
    row = {"step": 1, "steps": 9, "score": 0.5, "engine_gap": float("nan"), "seconds": None}
    writer.add({**row, "skipped": 2, "note": "no number"})
    assert drawn(tmp_path) == [("score", 1, 0.5), ("skipped", 1, 2.0)]


def test_a_restart_takes_back_what_its_checkpoint_does_not_know(tmp_path):
    first = Events(tmp_path, 0)
    for step in (1, 2, 3):
        first.add({"step": step, "score": 0.0})
    Events(tmp_path, 2).add({"step": 3, "score": 1.0})
    starts = [e.step for e in events(tmp_path) if e.session_log.status == SessionLog.START]
    assert starts[-1] == 3  # from there on TensorBoard forgets the older file
