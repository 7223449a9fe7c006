import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from celery import shared_task
from django.utils import timezone

from labeling.errors import Refused
from labeling.models import Campaign
from rewardmodel.following import follow, succeeded
from rlhf.models import BestOfRun, PolicyRun, Round, SFTRun
from rlhf.services import (
    best_of,
    generations,
    pair_choices,
    policy_runs,
    rounds,
    sft_runs,
    steering,
    stop_rules,
)
from rlhf.services.policies import register_version

logger = logging.getLogger(__name__)


@shared_task
def train_policy(pk: int) -> None:
    """Run PPO once, unless another worker does so already."""
    run = PolicyRun.objects.select_related(
        "campaign", "parent", "reward_model", "held_out_model"
    ).get(pk=pk)
    if not run.claim(timezone.now()):
        return  # a broker may deliver twice
    follow(
        run,
        prepare=lambda directory: policy_runs.prepare(run, directory),
        succeed=lambda figures, checkpoint: policy_runs.finish(
            run, figures, checkpoint, timezone.now()
        ),
        hand_over=lambda directory: steering.hand_over(run, directory),
    )


@shared_task
def fine_tune(pk: int) -> None:
    """Run SFT once, unless another worker does so already."""
    run = SFTRun.objects.select_related("snapshot", "parent").get(pk=pk)
    if not run.claim(timezone.now()):
        return  # a broker may deliver twice
    follow(
        run,
        prepare=lambda directory: sft_runs.prepare(run, directory),
        succeed=lambda figures, checkpoint: register_version(run, figures, checkpoint),
    )


@shared_task
def choose_best(pk: int) -> None:
    """Run best-of-n once, unless another worker does so already."""
    run = BestOfRun.objects.select_related("reward_model__snapshot", "policy").get(pk=pk)
    if not run.claim(timezone.now()):
        return  # a broker may deliver twice
    follow(
        run,
        prepare=lambda directory: best_of.prepare(run, directory),
        succeed=lambda figures, checkpoint: succeeded(run, figures, checkpoint),
    )


@shared_task
def generate_pending() -> int:
    """Answer what is wanted, batch by batch, until nothing can be answered."""
    total = 0
    while answered := generations.generate_pending(now=timezone.now()):
        total += answered
    return total


@shared_task
def retrain_reward_models() -> None:
    """Give campaigns that had enough new labels a new reward model, between rounds too."""
    for_each(rounds.waiting_for_labels(), lambda campaign: rounds.retrain(campaign=campaign))


@shared_task
def choose_pairs() -> int:
    """Have reward models choose among the pairs that wait for them."""
    total = 0
    while made := pair_choices.choose_pending(now=timezone.now()):
        total += made
    return total


@shared_task
def apply_stop_rules() -> None:
    """Pause the campaigns whose next labels are not worth their price any more."""
    stop_rules.apply(now=timezone.now())


@shared_task
def advance_rounds() -> None:
    """Take the next step of every open round whose campaign wants it taken by itself."""
    under_way = Round.objects.filter(decision="").select_related("campaign", "reward_model")
    for_each(under_way, lambda round: rounds.advance(round=round, now=timezone.now()))


Row = TypeVar("Row", Campaign, Round)


def for_each(rows: Iterable[Row], act: Callable[[Row], object]) -> None:
    """Act on one after the other; whatever keeps or breaks one holds up no other."""
    for row in rows:
        try:
            act(row)
        except Refused as reason:
            logger.info("%s waits: %s", row, reason)
        except Exception:  # a fault of ours: the log has where, and the beat tries again
            logger.exception("%s could not be moved on", row)
