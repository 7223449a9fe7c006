import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling import artifacts, errors
from labeling.models import Act, Campaign, Policy, Snapshot, User
from labeling.services import audit
from labeling.services.snapshots import take_snapshot
from rewardmodel.following import succeeded
from rewardmodel.learning.rundirectory import write_json, write_rows
from rewardmodel.models import Appointment, RewardModel
from rewardmodel.selectors.appointments import (
    active_reward_models,
    current_reward_model,
    labels_since_training,
    trial_of,
)
from rewardmodel.services import suites

# The training program's own limits, repeated here because the web process can't load it (torch).
FEWEST = {"min_train_pairs": 50, "min_test_pairs": 10}
# Of a model that only checks others: how good so few labels make it is measured on hundreds.
FEWEST_TO_CHECK = 30
TOO_FEW_TO_TRAIN = gettext_lazy(
    "There are %(there)d training pairs, and at least %(fewest)d are needed: %(more)d more. Let "
    "labelers judge more pairs, then try again."
)
TOO_FEW_HELD_OUT = gettext_lazy(
    "There are %(there)d held-out pairs, and at least %(fewest)d are needed: %(more)d more. Let "
    "labelers judge more pairs, then try again."
)


@transaction.atomic
def start_reward_model(
    *, snapshot: Snapshot, base: Policy, by: User | None, config: dict[str, Any] | None = None
) -> RewardModel:
    """Ask for a reward model trained on a snapshot, its trunk taken from a policy.

    Raises:
        TooFewPairs: with the number that is missing.
    """
    check_enough(snapshot, config or {})
    if not base.checkpoint:
        raise errors.NotReady(
            _("%(policy)s has no weights to start from; choose another policy.") % {"policy": base}
        )
    return _asked_for(snapshot, base, by, config or {})


def _asked_for(
    snapshot: Snapshot,
    base: Policy,
    by: User | None,
    config: dict[str, Any],
    *,
    learns_held_out: bool = False,
) -> RewardModel:
    run = RewardModel.objects.create(
        snapshot=snapshot,
        base=base,
        created_by=by,
        config=config,
        learns_held_out=learns_held_out,
    )
    audit.record(
        actor=by,
        act=Act.TRAINING_STARTED,
        subject=run,
        details={
            "snapshot": snapshot.digest,
            "base": base.slug,
            "config": run.config,
            "learns_held_out": learns_held_out,
        },
    )
    run.enqueue()
    return run


@transaction.atomic
def train_held_out(
    *, of: RewardModel, by: User | None, config: dict[str, Any] | None = None
) -> RewardModel:
    """Ask for a model that can check what follows `of`: it learns what `of` has held out.

    It is measured on the pairs that `of` learned from. The two share their trunk and the way in
    which they learn, and no label and no prompt.

    Raises:
        NotReady: `of` learned from what is held out itself.
        TooFewPairs: with the number that is missing.
    """
    if of.learns_held_out:
        raise errors.NotReady(_("This model learned from held-out pairs itself; choose another."))
    config = {**of.config, "min_train_pairs": fewest_to_check(of), **(config or {})}
    snapshot = of.snapshot
    _check_enough(snapshot.test_pairs, snapshot.train_pairs, config)
    return _asked_for(snapshot, of.base, by, config, learns_held_out=True)


def fewest_to_check(of: RewardModel) -> int:
    """Held-out pairs without which no model of them is trained to check what follows `of`."""
    return of.config.get("min_train_pairs", FEWEST_TO_CHECK)


@transaction.atomic
def retrain(*, campaign: Campaign, base: Policy, kinds: Sequence[str]) -> RewardModel | None:
    """Train the current model's successor once there are enough new labels; else None.

    It learns as the current one did. A run that failed counts as one: the next is due after as many
    labels again, so that what fails does not fail all day.
    """
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    wanted = campaign.reward_model_after
    if wanted is None or labels_since_training(campaign, kinds) < wanted:
        return None
    if active_reward_models(campaign).exists():
        return None
    current = current_reward_model(campaign)
    snapshot = take_snapshot(campaign=campaign, kinds=kinds, by=None)
    if snapshot.reward_models.exists():
        return None  # what is judged but can't be learned from must not train the same model again
    return start_reward_model(
        snapshot=snapshot, base=base, by=None, config=current.config if current else None
    )


@transaction.atomic
def finish(run: RewardModel, figures: dict[str, Any], checkpoint: str) -> None:
    """Record a result, and make it the campaign's current model if nobody asked for the run.

    The gate: a model that the campaign's trigger trained takes the place of the current one unless
    a paired test on the newest held-out labels shows it to be worse. What a person trains waits for
    a person, who may have wanted to try something.
    """
    if not succeeded(run, figures, checkpoint):
        return
    run.refresh_from_db()
    suites.record_results(run, figures.get("suites", []))
    if run.learns_held_out:
        return
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=run.snapshot.campaign_id)
    current, trial = current_reward_model(campaign), trial_of(run)
    if run.created_by_id is not None:
        return
    if current is None or (trial is not None and trial.other == current.pk and not trial.worse):
        _appoint(campaign, run, before=current, by=None)


@transaction.atomic
def appoint(*, run: RewardModel, by: User) -> Appointment:
    """Make a finished model its campaign's current one, or go back to it.

    Raises:
        NotReady: it is not finished.
        Refused: it is the current one, or learned from what is held out of the others.
    """
    if run.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    if run.learns_held_out:
        raise errors.Refused(
            _("This model learned from few held-out pairs, to check others; it is not for use.")
        )
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=run.snapshot.campaign_id)
    before = current_reward_model(campaign)
    if before == run:
        raise errors.Refused(_("This is the campaign's current reward model already."))
    return _appoint(campaign, run, before=before, by=by)


def _appoint(
    campaign: Campaign, run: RewardModel, *, before: RewardModel | None, by: User | None
) -> Appointment:
    made = Appointment.objects.create(campaign=campaign, reward_model=run, appointed_by=by)
    audit.record(
        actor=by,
        act=Act.REWARD_MODEL_APPOINTED,
        subject=run,
        details={"before": before.pk if before else None},
    )
    return made


def check_enough(snapshot: Snapshot, config: dict[str, Any]) -> None:
    """Refuse to train on less than teaches, or to measure on less than tells."""
    _check_enough(snapshot.train_pairs, snapshot.test_pairs, config)


def _check_enough(train_pairs: int, test_pairs: int, config: dict[str, Any]) -> None:
    limits = FEWEST | {name: value for name, value in config.items() if name in FEWEST}
    for sentence, there, fewest in (
        (TOO_FEW_TO_TRAIN, train_pairs, limits["min_train_pairs"]),
        (TOO_FEW_HELD_OUT, test_pairs, limits["min_test_pairs"]),
    ):
        if there < fewest:
            raise errors.TooFewPairs(
                sentence % {"there": there, "fewest": fewest, "more": fewest - there}
            )


def prepare(run: RewardModel, directory: Path) -> None:
    """Lay out the directory in which the reward program works."""
    data = directory / "data.jsonl"
    if not run.learns_held_out:
        artifacts.copy_once(run.snapshot.artifact_url, data)
    elif not data.exists():
        write_rows(data, _turned_round(run.snapshot))
    config = {
        "seed": 0,
        **run.config,
        "program": "reward",
        "model": artifacts.weights(run.base.checkpoint),
        "about": {
            "campaign": run.snapshot.campaign.name,
            "snapshot": run.snapshot.digest,
            "aggregation": run.snapshot.recipe.get("aggregation", ""),
            "judged_by": ", ".join(run.snapshot.recipe.get("judge_kinds", [])),
            "trunk": run.base.slug,
            **(
                {"learned_from": "the pairs that other models of this campaign hold out"}
                if run.learns_held_out
                else {}
            ),
        },
        **_beside(run),
        "suites": suites.for_program(),
    }
    write_json(directory / "config.json", config)


def _turned_round(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """The pairs of a snapshot: what is held out to be learned, what is learned to measure on."""
    other = {"train": "test", "test": "train"}
    with artifacts.open_artifact(snapshot.artifact_url) as file:
        for line in file:
            row = json.loads(line)
            yield {**row, "split": other[row["split"]]}


def _beside(run: RewardModel) -> dict[str, Any]:
    """The model in use, for the program to compare with; nothing where there is none to read.

    One that learned from what is held out is compared with none: it is measured on pairs that the
    others know.
    """
    current = None if run.learns_held_out else current_reward_model(run.campaign)
    if current is None:
        return {}
    try:
        folder = artifacts.local_copy(current.checkpoint)
    except FileNotFoundError:
        return {}
    return {"beside": {"reward_model": current.pk, "folder": str(folder)}}
