from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling import artifacts, errors
from labeling.models import Act, Campaign, DemonstrationSnapshot, Policy, Prompt, User
from labeling.services import audit
from labeling.splits import split_of
from rewardmodel.learning.rundirectory import write_json
from rlhf.models import SFTRun
from rlhf.services.duels import open_duel

FEWEST_TRAIN, FEWEST_TEST = 8, 2  # fewer teach and tell nothing
TOO_FEW_TO_TRAIN = gettext_lazy(
    "There are %(there)d demonstrations to learn from, and at least %(fewest)d are needed: "
    "%(more)d more. Let labelers write more or import some, then take another snapshot."
)
TOO_FEW_HELD_OUT = gettext_lazy(
    "There are %(there)d demonstrations held out, and at least %(fewest)d are needed: "
    "%(more)d more. Let labelers write more or import some, then take another snapshot."
)


@transaction.atomic
def start_sft_run(
    *,
    snapshot: DemonstrationSnapshot,
    parent: Policy,
    by: User | None,
    config: dict[str, Any] | None = None,
) -> SFTRun:
    """Ask for a policy that learns from a snapshot of demonstrations, starting from a parent.

    Raises:
        TooFewDemonstrations: with the number that is missing.
        NotReady: the parent has no weights.
    """
    for sentence, there, fewest in (
        (TOO_FEW_TO_TRAIN, snapshot.train_count, FEWEST_TRAIN),
        (TOO_FEW_HELD_OUT, snapshot.test_count, FEWEST_TEST),
    ):
        if there < fewest:
            raise errors.TooFewDemonstrations(
                sentence % {"there": there, "fewest": fewest, "more": fewest - there}
            )
    if not parent.checkpoint:
        raise errors.NotReady(
            _("%(policy)s has no weights to train; choose another policy.") % {"policy": parent}
        )
    run = SFTRun.objects.create(
        snapshot=snapshot, parent=parent, created_by=by, config=config or {}
    )
    audit.record(
        actor=by,
        act=Act.TRAINING_STARTED,
        subject=run,
        details={"parent": parent.slug, "snapshot": snapshot.digest, "config": run.config},
    )
    run.enqueue()
    return run


def prepare(run: SFTRun, directory: Path) -> None:
    """Lay out the directory in which the SFT program works."""
    artifacts.copy_once(run.snapshot.artifact_url, directory / "data.jsonl")
    config = {
        "seed": 0,
        **run.config,
        "program": "sft",
        "model": artifacts.weights(run.parent.checkpoint),
    }
    write_json(directory / "config.json", config)


@transaction.atomic
def start_sft_duel(*, run: SFTRun, by: User | None) -> Campaign:
    """The new policy meets its parent, blind, on the prompts of held-out demonstrations.

    Raises:
        NotReady: the run has made no policy yet.
    """
    run = (
        SFTRun.objects.select_for_update(of=("self",))
        .select_related("snapshot__campaign", "policy", "parent", "duel")
        .get(pk=run.pk)
    )
    if run.duel is not None:
        return run.duel
    if run.policy is None:
        raise errors.NotReady(_("The SFT run has made no policy yet; wait until it has."))
    prompts = Prompt.objects.filter(demonstrations__snapshots=run.snapshot).distinct()
    run.duel = open_duel(
        name=f"{run.snapshot.campaign.name[:80]}, comparison {run.pk}",
        like=run.snapshot.campaign,
        policy=run.policy,
        parent=run.parent,
        prompts=[p for p in prompts.order_by("id") if split_of(p.digest) == "test"],
        by=by,
    )
    run.save(update_fields=["duel"])
    return run.duel
