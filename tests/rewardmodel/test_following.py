import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from celery.worker import state as worker_state
from django.db import connection
from django.utils import timezone

from labeling import artifacts, errors
from rewardmodel.following import follow, succeeded
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rewardmodel.services.reward_models import FEWEST, start_reward_model
from rewardmodel.services.runs import cancel
from tests.cast import frozen

Status = TrainingRun.Status


@pytest.fixture
def run(campaign, policy, monkeypatch):
    monkeypatch.setattr(RewardModel, "program", "tests.rewardmodel.program")
    snapshot = frozen(campaign, train_pairs=100, test_pairs=20)
    return RewardModel.objects.create(snapshot=snapshot, base=policy, config={"steps": 5})


def work_on(run):
    """What the task does: claim, follow, record."""
    run = RewardModel.objects.get(pk=run.pk)
    if not run.claim(timezone.now()):
        return False
    follow(
        run,
        prepare=lambda directory: (directory / "config.json").write_text(json.dumps(run.config)),
        succeed=lambda figures, checkpoint: succeeded(run, figures, checkpoint),
    )
    return True


def starts(run):
    return (run.directory / "starts").read_text().splitlines()


def in_background(run):
    def work():
        try:
            work_on(run)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def test_a_run_ends_with_figures_metrics_and_a_checkpoint(run):
    work_on(run)
    run.refresh_from_db()
    assert run.status == Status.SUCCEEDED
    assert run.figures["accuracy"] == 0.75
    assert json.loads((artifacts.local_copy(run.checkpoint) / "model.json").read_text()) == {
        "steps": 5
    }
    assert [m.step for m in run.metrics.all()] == [1, 2, 3, 4, 5]
    assert (run.step, run.steps) == (5, 5)


def test_what_people_change_meanwhile_is_handed_over_while_the_program_runs(run):
    run.config = {"steps": 3, "seconds": 1}
    run.save()
    assert run.claim(timezone.now())
    seen = []

    def hand_over(directory):
        seen.append(not (directory / "result").exists())

    follow(
        run,
        prepare=lambda directory: (directory / "config.json").write_text(json.dumps(run.config)),
        succeed=lambda figures, checkpoint: succeeded(run, figures, checkpoint),
        hand_over=hand_over,
    )
    assert any(seen)


def test_a_run_delivered_twice_trains_once(run):
    assert work_on(run)
    assert not work_on(run)
    assert len(starts(run)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_get_a_run_at_once_train_it_once(run):
    threads = [in_background(run) for _ in range(2)]
    for thread in threads:
        thread.join()
    assert len(starts(run)) == 1


def test_a_program_that_refuses_fails_the_run_with_its_sentence(run):
    run.config = {"steps": 5, "fail_at": 2}
    run.save()
    work_on(run)
    run.refresh_from_db()
    assert (run.status, run.error) == (Status.FAILED, "The data is upside down; turn it round.")


def test_a_killed_program_goes_on_from_its_checkpoint(run):
    run.config = {"steps": 5, "die_at": 3}
    run.save()
    work_on(run)
    run.refresh_from_db()
    assert run.status == Status.QUEUED, "it waits to be started again"
    work_on(run)
    run.refresh_from_db()
    assert run.status == Status.SUCCEEDED
    assert [line.split(" from ")[1] for line in starts(run)] == ["0", "3"]
    assert [m.step for m in run.metrics.all()] == [1, 2, 3, 4, 5]


def test_a_program_that_is_killed_again_and_again_is_given_up_with_the_reason(run):
    run.config = {"steps": 5, "always_die_at": 1}
    run.save()
    for _ in range(10):
        run.config["steps"] = 5
        if not work_on(run):
            break
        # Each start dies at the step after its checkpoint, so that it never gets further.
        for checkpoint in (run.directory / "checkpoints").glob("*"):
            (checkpoint / "step").unlink()
            checkpoint.rmdir()
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "killed (SIGKILL) 4 times" in run.error


@pytest.mark.django_db(transaction=True)
def test_cancelling_stops_the_program_and_keeps_the_run_cancelled(run):
    run.config = {"steps": 1000, "seconds": 0.1}
    run.save()
    thread = in_background(run)
    wait_until(lambda: run.metrics.exists())
    cancel(run=run, now=timezone.now())
    thread.join(30)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert not is_alive(starts(run)[0])


def test_a_queued_run_is_cancelled_at_once_and_a_finished_one_not_at_all(run):
    cancel(run=run, now=timezone.now())
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert not work_on(run)
    with pytest.raises(errors.RunNotActive):
        cancel(run=run, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_shuts_down_leaves_the_run_to_be_resumed(run, monkeypatch):
    run.config = {"steps": 30, "seconds": 0.1}
    run.save()
    thread = in_background(run)
    wait_until(lambda: run.metrics.exists())
    monkeypatch.setattr(worker_state, "should_stop", 0)
    thread.join(30)
    run.refresh_from_db()
    assert run.status == Status.QUEUED
    monkeypatch.setattr(worker_state, "should_stop", None)
    work_on(run)
    run.refresh_from_db()
    assert run.status == Status.SUCCEEDED
    assert starts(run)[1].split(" from ")[1] != "0"


def test_a_silent_run_may_be_taken_over_and_the_old_worker_can_not_spoil_it(run):
    old = RewardModel.objects.get(pk=run.pk)
    assert old.claim(timezone.now())
    assert not RewardModel.objects.get(pk=run.pk).claim(timezone.now())
    new = RewardModel.objects.get(pk=run.pk)
    assert new.claim(timezone.now() + timedelta(minutes=2))
    assert not old.beat(timezone.now())
    assert not succeeded(old, {}, "file:///somewhere")
    assert new.beat(timezone.now())


def test_a_program_stops_by_itself_when_its_worker_is_killed(run):
    """kill -9 of the worker: the pipe closes, the program writes a checkpoint and leaves."""
    directory = run.directory
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"steps": 1000, "seconds": 0.1}))
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, django; django.setup(); from pathlib import Path;"
            "from rewardmodel import following;"
            "following._start('tests.rewardmodel.program', Path(sys.argv[1])); time.sleep(600)",
            str(directory),
        ],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    wait_until(lambda: (directory / "metrics.jsonl").exists())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_until(lambda: not is_alive(starts(run)[0]))
    assert list((directory / "checkpoints").glob("step-*"))


def is_alive(start):
    pid = int(start.split()[0])
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_too_few_pairs_are_refused_with_the_number_missing(run, policy):
    few = frozen(run.snapshot.campaign, train_pairs=43, test_pairs=20)
    with pytest.raises(errors.TooFewPairs, match="7 more"):
        start_reward_model(snapshot=few, base=policy, by=None)


def test_the_page_and_the_program_ask_for_the_same_number_of_pairs():
    from rewardmodel.learning.settings import RewardTraining

    program = RewardTraining()
    assert {name: getattr(program, name) for name in FEWEST} == FEWEST
