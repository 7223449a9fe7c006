from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling import artifacts, errors
from labeling.models import Act, Campaign, EventKind, Policy, Prompt, User
from labeling.services import audit
from labeling.services.events import announce
from labeling.splits import split_of
from rewardmodel.learning.rundirectory import write_json, write_rows
from rewardmodel.models import RewardModel
from rewardmodel.selectors.held_out import held_out_model_for, reads_alike
from rlhf.models import PolicyRun
from rlhf.sayings import ONLY_FOLLOWED_GAINS
from rlhf.selectors.win_rates import only_followed_gains
from rlhf.services.policies import register_version

FEWEST_PROMPTS = 8  # in each split
TOO_FEW_TO_TRAIN = gettext_lazy(
    "The campaign has %(count)d training prompts, and PPO needs at least %(fewest)d: add more "
    "prompts to the campaign."
)
TOO_FEW_HELD_OUT = gettext_lazy(
    "The campaign has %(count)d held-out prompts, and PPO needs at least %(fewest)d: add more "
    "prompts to the campaign."
)


@transaction.atomic
def start_policy_run(
    *,
    campaign: Campaign,
    parent: Policy,
    reward_model: RewardModel,
    by: User | None,
    held_out_model: RewardModel | None = None,
    config: dict[str, Any] | None = None,
) -> PolicyRun:
    """Ask for PPO from a parent policy, guided by a reward model, on a campaign's prompts.

    Its answers to held-out prompts are scored by `held_out_model` too, which it does not follow;
    where none is named, by the newest other one of the campaign that reads alike.
    """
    if reward_model.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    if not parent.checkpoint:
        raise errors.NotReady(
            _("%(policy)s has no weights to train; choose another policy.") % {"policy": parent}
        )
    check_enough_prompts(campaign)
    if held_out_model is None:
        held_out_model = held_out_model_for(reward_model)
    else:
        check_held_out(held_out_model, reward_model)
    run = PolicyRun.objects.create(
        campaign=campaign,
        parent=parent,
        reward_model=reward_model,
        held_out_model=held_out_model,
        created_by=by,
        config=config or {},
    )
    audit.record(
        actor=by,
        act=Act.TRAINING_STARTED,
        subject=run,
        details={
            "parent": parent.slug,
            "reward_model": reward_model.pk,
            "held_out_model": held_out_model.pk if held_out_model else None,
            "config": run.config,
        },
    )
    run.enqueue()
    return run


def check_held_out(held_out_model: RewardModel, followed: RewardModel) -> None:
    """Refuse a model that could not say anything of its own about a run."""
    if held_out_model == followed:
        raise errors.Refused(
            _("A run can't be checked by the reward model that it follows; choose another one.")
        )
    if held_out_model.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    if not reads_alike(held_out_model, followed):
        raise errors.Refused(
            _(
                "Reward model %(number)s has another tokenizer or chat template than the one that "
                "is followed; choose one with the same."
            )
            % {"number": held_out_model.pk}
        )


def check_enough_prompts(campaign: Campaign) -> None:
    counts = {"train": 0, "test": 0}
    for digest in training_prompts(campaign).values_list("digest", flat=True):
        counts[split_of(digest)] += 1
    for split, count in counts.items():
        if count < FEWEST_PROMPTS:
            sentence = TOO_FEW_TO_TRAIN if split == "train" else TOO_FEW_HELD_OUT
            raise errors.NotReady(sentence % {"count": count, "fewest": FEWEST_PROMPTS})


def training_prompts(campaign: Campaign) -> QuerySet[Prompt]:
    """The prompts PPO samples from: the campaign's own. Their split is the snapshot's split."""
    return Prompt.objects.filter(campaigns=campaign).order_by("id")


def prepare(run: PolicyRun, directory: Path) -> None:
    """Lay out the directory in which the PPO program works."""
    data = directory / "data.jsonl"
    if not data.exists():  # a resumed run keeps the prompts it began with
        prompts = training_prompts(run.campaign).iterator()
        write_rows(
            data,
            ({"id": p.pk, "split": split_of(p.digest), "prompt": p.messages} for p in prompts),
        )
    config = {
        "seed": 0,
        **run.config,
        "program": "ppo",
        "model": artifacts.weights(run.parent.checkpoint),
        "reward_model": str(artifacts.local_copy(run.reward_model.checkpoint)),
    }
    if run.held_out_model is not None:
        config["held_out_model"] = str(artifacts.local_copy(run.held_out_model.checkpoint))
    write_json(directory / "config.json", config)


@transaction.atomic
def finish(run: PolicyRun, figures: dict[str, Any], checkpoint: str, now: datetime) -> None:
    """Record a result as the next version of its line.

    Where only the reward model that was followed sees a gain, an alarm says so. It stops nothing:
    people decide, by the blind comparison.
    """
    if register_version(run, figures, checkpoint) is None or not only_followed_gains(figures):
        return
    reason = ONLY_FOLLOWED_GAINS(followed=run.reward_model_id, other=run.held_out_model_id)
    announce(
        EventKind.ALARM,
        run.campaign,
        {"alarm": "held out", "run": run.pk, "reason": reason},
        now,
        reverse("rlhf:run", args=[run.pk]),
    )
