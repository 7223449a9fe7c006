"""Which reward model can say what a run is worth that followed another one."""

import json
from typing import Any

from django.db.models import QuerySet

from labeling import artifacts
from rewardmodel.models import RewardModel

READ_ALIKE = ("template_hash", "tokenizer_hash")  # what two models must share to read the same


def others_ready(followed: RewardModel) -> QuerySet[RewardModel]:
    """The finished models of the same campaign that a run may be checked by.

    Those that share no label with it first, then the newest.
    """
    return (
        RewardModel.objects.filter(
            snapshot__campaign=followed.snapshot.campaign_id, status=RewardModel.Status.SUCCEEDED
        )
        .exclude(pk=followed.pk)
        .order_by("-learns_held_out", "-id")
    )


def taught_what_it_holds_out(followed: RewardModel) -> RewardModel | None:
    """The newest model, finished or not, that learns what this one left for tests."""
    return followed.snapshot.reward_models.filter(learns_held_out=True).order_by("-id").first()


def reads_alike(one: RewardModel, other: RewardModel) -> bool:
    """Whether both read conversations in the same tokens and the same template."""
    cards = _card(one), _card(other)
    return all(card.get(name) for card in cards for name in READ_ALIKE) and all(
        cards[0][name] == cards[1][name] for name in READ_ALIKE
    )


def held_out_model_for(followed: RewardModel) -> RewardModel | None:
    """The first of `others_ready` that reads alike; None where there is none."""
    return next((other for other in others_ready(followed) if reads_alike(followed, other)), None)


def _card(run: RewardModel) -> dict[str, Any]:
    """What lies beside the weights to read scores by; empty where the result is gone."""
    try:
        with artifacts.open_artifact(f"{run.checkpoint}/reward.json") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}
