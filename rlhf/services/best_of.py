import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import artifacts, errors
from labeling.models import Act, Demonstration, DemonstrationSnapshot, Judgment, Policy, User
from labeling.selectors.demonstrations import current_demonstrations
from labeling.services import audit
from labeling.services.demonstration_snapshots import freeze_demonstrations
from labeling.services.images import as_models_read
from rewardmodel.learning.rundirectory import write_json, write_rows
from rewardmodel.models import RewardModel
from rlhf.generation.expected_best import best_answers
from rlhf.models import BestOfRun
from rlhf.selectors.best_of import answers_of

FEWEST_PROMPTS = 2  # a standard error needs as many
# Demonstrations get keys made from the run and the prompt, so that none is ever stored twice.
KEYS = uuid.UUID("0e1f3c0a-1d57-4f0e-9a54-7f7f6d1b2c11")


@transaction.atomic
def start_best_of(
    *,
    reward_model: RewardModel,
    policy: Policy,
    by: User | None,
    prompts: int,
    config: dict[str, Any] | None = None,
) -> BestOfRun:
    """Ask for n answers of a policy to each prompt of the reward model's campaign.

    Args:
        reward_model: that chooses; finished.
        policy: that answers; a server must have it.
        by: who asks.
        prompts: at most so many of the campaign's.
        config: settings of the program.

    Raises:
        NotReady: the model is not finished, or the campaign has too few prompts.
    """
    if reward_model.status != RewardModel.Status.SUCCEEDED:
        raise errors.NotReady(_("The reward model is not trained yet; wait until it is."))
    if reward_model.campaign.prompts.count() < FEWEST_PROMPTS:
        raise errors.NotReady(_("The campaign has no prompts to answer; add some first."))
    run = BestOfRun.objects.create(
        reward_model=reward_model,
        policy=policy,
        created_by=by,
        config={**(config or {}), "prompts": prompts},
    )
    audit.record(
        actor=by,
        act=Act.BEST_OF_STARTED,
        subject=run,
        details={"policy": policy.slug, "reward_model": reward_model.pk, "config": run.config},
    )
    run.enqueue()
    return run


def prepare(run: BestOfRun, directory: Path) -> None:
    """Lay out the directory in which the program works."""
    data = directory / "data.jsonl"
    if not data.exists():  # a resumed run keeps the prompts it began with
        chosen = run.campaign.prompts.order_by("digest")[: run.config["prompts"]]
        write_rows(data, ({"id": p.pk, "prompt": as_models_read(p.messages)} for p in chosen))
    config = {
        "seed": 0,
        **{name: value for name, value in run.config.items() if name != "prompts"},
        "program": "best_of",
        "model": str(artifacts.local_copy(run.reward_model.checkpoint)),
        "policy": run.policy.slug,
        "servers": list(settings.VLLM_BASE_URLS),
    }
    write_json(directory / "config.json", config)


@transaction.atomic
def freeze_best(*, run: BestOfRun, by: User | None) -> DemonstrationSnapshot:
    """Make the best answers demonstrations by an AI, and freeze them for SFT.

    Raises:
        NotReady: there are no answers, or none that came to an end.
    """
    run = BestOfRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if run.snapshot is not None:
        return run.snapshot
    if run.status != BestOfRun.Status.SUCCEEDED:
        raise errors.NotReady(_("The run has no answers yet; wait until it has."))
    made = _demonstrations(run)
    if not made:
        raise errors.NotReady(_("No best answer came to an end; allow more tokens."))
    Demonstration.objects.bulk_create(made)
    standing = current_demonstrations(run.campaign, [Judgment.JudgeKind.AI])
    run.snapshot = freeze_demonstrations(
        campaign=run.campaign,
        demonstrations=standing.filter(client_key__in=[each.client_key for each in made]),
        recipe={
            "author_kinds": [Judgment.JudgeKind.AI],
            "sources": ["sampled"],
            "best_of": {
                "run": run.pk,
                "n": run.figures["n"],
                "policy": run.policy.slug,
                "reward_model": run.reward_model_id,
            },
        },
        by=by,
    )
    run.save(update_fields=["snapshot"])
    return run.snapshot


def _demonstrations(run: BestOfRun) -> list[Demonstration]:
    """The best answers to prompts that the campaign still has, not yet stored; none is empty."""
    # PostgreSQL takes no NUL in a text.
    best = {
        number: answer["text"].replace("\x00", "").strip()
        for number, answer in best_answers(answers_of(run))
    }
    there = set(run.campaign.prompts.filter(pk__in=best).values_list("pk", flat=True))
    return [
        Demonstration(
            campaign=run.campaign,
            prompt_id=number,
            text=text,
            author_kind=Judgment.JudgeKind.AI,
            policy=run.policy,
            client_key=uuid.uuid5(KEYS, f"{run.pk} {number}"),
        )
        for number, text in best.items()
        if number in there and text
    ]
