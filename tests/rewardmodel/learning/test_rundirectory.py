import json
import math
import os
import signal
from pathlib import Path

import pytest

from rewardmodel.learning.rundirectory import RunDirectory, write_rows


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def test_reported_numbers_are_readable_at_once(run):
    run.report({"step": 1, "loss": 0.5})
    assert run.metrics() == [{"step": 1, "loss": 0.5}]


def test_numbers_that_json_cannot_hold_become_null(run):
    run.report({"step": 1, "loss": math.nan, "norms": [math.inf, 1.0]})
    assert run.metrics() == [{"step": 1, "loss": None, "norms": [None, 1.0]}]


def test_a_line_cut_by_a_kill_is_forgotten(run):
    run.report({"step": 1, "loss": 0.5})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    run.rewind(1)
    run.report({"step": 2, "loss": 0.4})
    assert [line["step"] for line in run.metrics()] == [1, 2]


def test_steps_after_the_checkpoint_are_told_again(run):
    for step in (1, 2, 3):
        run.report({"step": step})
    run.rewind(2)
    assert [line["step"] for line in run.metrics()] == [1, 2]


def test_the_newest_two_checkpoints_are_kept(run):
    for step in (5, 10, 100):
        with run.checkpoint(step) as folder:
            (folder / "state.json").write_text(str(step))
    assert sorted(os.listdir(run.path / "checkpoints")) == ["step-00000010", "step-00000100"]
    assert (run.newest_checkpoint() / "state.json").read_text() == "100"


def test_a_checkpoint_that_fails_half_way_leaves_the_one_before(run):
    def fill_a_full_disk() -> None:
        with run.checkpoint(2) as folder:
            (folder / "half").write_text("")
            raise OSError("disk full")

    with run.checkpoint(1):
        pass
    with pytest.raises(OSError, match="disk full"):
        fill_a_full_disk()
    assert os.listdir(run.path / "checkpoints") == ["step-00000001"]


def test_rows_that_can_not_be_written_to_the_end_leave_the_file_as_it_was(run):
    write_rows(run.path / "data.jsonl", [{"id": 1, "prompt": "grün"}])
    with pytest.raises(ZeroDivisionError):
        write_rows(run.path / "data.jsonl", ({"id": 1 / left} for left in (1, 0)))
    assert list(run.rows()) == [(1, {"id": 1, "prompt": "grün"})]


def test_what_a_kill_left_half_filled_is_removed_by_the_next_program_and_by_no_reader(run):
    half = run.path / "checkpoints" / "step-00000007.unfinished"
    half.mkdir(parents=True)
    RunDirectory(run.path).metrics()
    assert half.exists()
    assert run.newest_checkpoint() is None
    previous = signal.getsignal(signal.SIGTERM)
    run.begin()
    signal.signal(signal.SIGTERM, previous)
    assert not half.exists()


def test_a_result_means_success_and_needs_no_checkpoints_any_more(run):
    with run.checkpoint(1):
        pass
    assert not run.finished
    with run.result({"accuracy": 0.7}) as folder:
        (folder / "model.safetensors").write_text("")
        assert not run.finished
    assert run.finished
    assert json.loads((run.path / "result/result.json").read_text()) == {"accuracy": 0.7}
    assert run.newest_checkpoint() is None


def test_sigterm_asks_for_a_stop(run):
    previous = signal.getsignal(signal.SIGTERM)
    run.begin()
    os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, previous)
    assert run.stop_requested


@pytest.mark.parametrize("line", [b"{", b'"text"', b'{"a": "\xff"}'])
def test_a_malformed_row_is_named_by_its_line(run, line):
    (run.path / "data.jsonl").write_bytes(b'{"id": 1}\n\n' + line + b"\n")
    with pytest.raises(ValueError, match="line 3"):
        list(run.rows())


def test_a_missing_config_is_told_in_one_sentence(run):
    with pytest.raises(ValueError, match=r"no config\.json"):
        run.config()
