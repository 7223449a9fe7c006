"""Which queue takes which task, and what the beat asks for again and again."""

from datetime import timedelta
from typing import Any

from celery.schedules import schedule

ROUTES = {
    "rewardmodel.tasks.train*": {"queue": "training"},
    "rewardmodel.tasks.measure*": {"queue": "training"},
    "rlhf.tasks.train*": {"queue": "training"},
    "rlhf.tasks.fine_tune": {"queue": "training"},
    "rlhf.tasks.choose_best": {"queue": "training"},
    "rlhf.tasks.generate*": {"queue": "generation"},
    "rlhf.tasks.choose*": {"queue": "generation"},
}


def every(
    pause: timedelta, task: str, queue: str = "default", expires: timedelta | None = None
) -> dict[str, Any]:
    """A task asked for after each pause, and dropped if no worker began it within as much time."""
    seconds = int((expires or pause).total_seconds())
    return {
        "task": task,
        "schedule": schedule(pause),
        "options": {"queue": queue, "expires": seconds},
    }


SECONDS, MINUTES, HOURS = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BEAT = {
    "resume runs whose worker went away": every(15 * SECONDS, "rewardmodel.tasks.resume_runs"),
    "generate what was asked for": every(
        15 * SECONDS, "rlhf.tasks.generate_pending", queue="generation"
    ),
    "renew reports that newer judgments have overtaken": every(
        10 * MINUTES, "labeling.tasks.request_stale_reports"
    ),
    "train reward models after so many labels": every(
        1 * MINUTES, "rlhf.tasks.retrain_reward_models"
    ),
    "make snapshots whose worker went away": every(
        1 * MINUTES, "labeling.tasks.resume_snapshot_orders"
    ),
    "choose the pairs that reward models are unsure of": every(
        1 * MINUTES, "rlhf.tasks.choose_pairs", queue="generation"
    ),
    "pause campaigns that have learned enough": every(5 * MINUTES, "rlhf.tasks.apply_stop_rules"),
    "deliver events again that nobody took": every(15 * SECONDS, "labeling.tasks.deliver_events"),
    "forget what was delivered long ago": every(
        6 * HOURS, "labeling.tasks.forget_old_deliveries", expires=1 * HOURS
    ),
    "read files of prompts that were left": every(
        1 * MINUTES, "labeling.tasks.read_lost_prompt_files"
    ),
    "move rounds on": every(10 * SECONDS, "rlhf.tasks.advance_rounds"),
}
