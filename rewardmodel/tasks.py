from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from rewardmodel.following import follow
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rewardmodel.services import reward_models
from rewardmodel.services.surprises import review_surprises


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
def resume_runs() -> None:
    """Start again what was queued but lost by the broker, or whose worker went away."""
    for model in TrainingRun.__subclasses__():
        for run in model.claimable(timezone.now()):
            run.enqueue()


@worker_ready.connect
def _resume_at_start(**_: object) -> None:
    resume_runs.delay()
