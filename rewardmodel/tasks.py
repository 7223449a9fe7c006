import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from labeling import artifacts
from labeling.errors import Refused
from rewardmodel.following import follow
from rewardmodel.models import RewardModel, ScoreRequest, Suite
from rewardmodel.runs import TrainingRun
from rewardmodel.services import reward_models, suites
from rewardmodel.services.surprises import review_surprises

if TYPE_CHECKING:
    from rewardmodel.learning.artifact import Scorer

logger = logging.getLogger(__name__)


@shared_task
def train_reward_model(pk: int) -> None:
    """Train one reward model, unless another worker does so already."""
    run = RewardModel.objects.select_related("snapshot", "base").get(pk=pk)
    if not run.claim(timezone.now()):
        return  # a broker may deliver twice
    follow(
        run,
        prepare=lambda directory: reward_models.prepare(run, directory),
        succeed=lambda figures, checkpoint: reward_models.finish(run, figures, checkpoint),
    )
    review_surprises(run)


@shared_task
def measure_suites(pk: int) -> None:
    """Measure a finished model on the suites that are newer than it."""
    run = RewardModel.objects.get(pk=pk, status=RewardModel.Status.SUCCEEDED)
    for suite in Suite.objects.exclude(results__reward_model=run):
        try:
            suites.measure(run=run, suite=suite)
        except Refused as refusal:
            logger.warning("%s could not be measured on %s: %s", run, suite, refusal)


@shared_task(ignore_result=True)
def score(pk: int) -> None:
    """Answer a request for scores, or say in a sentence why that can't be."""
    asked = ScoreRequest.objects.select_related("reward_model").filter(pk=pk).first()
    if asked is None:
        return  # nobody waits for it any more
    try:
        scorer = _scorer(str(artifacts.local_copy(asked.reward_model.checkpoint)))
        judged = scorer.judge(
            [row["prompt"] for row in asked.rows], [row["response"] for row in asked.rows]
        )
    except (ValueError, FileNotFoundError) as refusal:
        told: dict[str, Any] = {"refusal": str(refusal)}
    else:
        told = {"scores": [{"score": value, "uncertainty": spread} for value, spread in judged]}
    ScoreRequest.objects.filter(pk=pk).update(answered=True, **told)


@lru_cache(maxsize=1)  # a worker keeps the model it was asked last: loading takes most of the time
def _scorer(folder: str) -> "Scorer":
    from rewardmodel.learning.artifact import load_scorer  # torch loads here, in a worker

    # On the CPU: a worker lives on, and would keep its part of a GPU from the runs.
    return load_scorer(Path(folder))


@shared_task
def resume_runs() -> None:
    """Start again what was queued but lost by the broker, or whose worker went away."""
    for model in TrainingRun.__subclasses__():
        for run in model.claimable(timezone.now()):
            run.enqueue()


@worker_ready.connect
def _resume_at_start(**_: object) -> None:
    resume_runs.delay()
