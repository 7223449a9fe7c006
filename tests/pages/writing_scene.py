"""A campaign of demonstrations in the middle of its life, and what was taught by them."""

import json
import math
import random
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from labeling.models import (
    Campaign,
    Demonstration,
    DemonstrationSnapshot,
    Membership,
    Policy,
    User,
)
from labeling.services.campaigns import add_members
from labeling.services.demonstrations import want_demonstrations
from rlhf.models import SFTRun, SFTRunMetric
from tests.cast import write

STEPS = 40


@dataclass(frozen=True)
class WritingScene:
    campaign: Campaign
    written: Demonstration  # by the labeler of the scene
    snapshot: DemonstrationSnapshot
    run: SFTRun
    child: Policy


def set_writing_scene(
    pairs_of: Campaign, parent: Policy, labeler: User, manager: User, engineer: User
) -> WritingScene:
    """A labeler edits the responses of a campaign's pairs into ideal answers."""
    campaign = Campaign.objects.create(
        name="Ideal answers",
        kind=Campaign.Kind.DEMONSTRATION,
        guidelines=pairs_of.guidelines,
        status=Campaign.Status.OPEN,
        created_by=manager,
    )
    add_members(campaign=campaign, users=[labeler], role=Membership.Role.LABELER)
    add_members(campaign=campaign, users=[manager], role=Membership.Role.MANAGER)
    pairs = list(pairs_of.comparisons.select_related("prompt", "first", "second")[:12])
    offers = {pair.prompt_id: (pair.first, pair.second) for pair in pairs}
    want_demonstrations(campaign=campaign, prompts=[pair.prompt for pair in pairs], offers=offers)
    for pair in pairs[:5]:
        written = write(labeler, campaign, pair.first.text)
    snapshot = DemonstrationSnapshot.objects.create(
        campaign=campaign,
        digest="c47e90b1d2f3" + "0" * 52,
        artifact_url="file:///tmp/none",
        recipe={"author_kinds": ["person"], "sources": ["edited", "imported", "written"]},
        train_count=268,
        test_count=45,
        created_by=engineer,
    )
    snapshot.demonstrations.add(*campaign.demonstrations.all())
    child = Policy.objects.create(
        name=parent.name, version=2, parent=parent, checkpoint="/models/v2"
    )
    run = taught(parent, snapshot, child)
    return WritingScene(campaign, written, snapshot, run, child)


def taught(parent: Policy, snapshot: DemonstrationSnapshot, child: Policy) -> SFTRun:
    now = timezone.now()
    chance = random.Random(5)
    run = SFTRun.objects.create(
        snapshot=snapshot,
        parent=parent,
        policy=child,
        status="succeeded",
        checkpoint="file:///tmp/taught",
        step=STEPS,
        steps=STEPS,
        attempts=1,
        config={"epochs": 2, "tuning": "lora"},
        started_at=now - timedelta(minutes=19),
        finished_at=now - timedelta(minutes=3),
        figures={
            "test_loss_before": 2.614,
            "test_loss_after": 2.207,
            "train_demonstrations": 268,
            "test_demonstrations": 45,
            "left_out": 0,
            "skipped_steps": 0,
        },
    )
    metrics = [SFTRunMetric(run=run, step=0, values={"test_loss": 2.6})]
    for step in range(1, STEPS + 1):
        fallen = 1 - math.exp(-step / 12)
        values = {
            "seconds": 21.0,
            "loss": 2.65 - 0.5 * fallen + chance.gauss(0, 0.06),
            "learning_rate": 2e-4 * math.cos(step / STEPS * 1.4),
            "grad_norm": 1.4 - 0.6 * fallen + abs(chance.gauss(0, 0.1)),
            "tokens_per_second": 150 + chance.gauss(0, 6),
        }
        if step % 10 == 0:
            values["test_loss"] = 2.6 - 0.4 * fallen
        metrics.append(SFTRunMetric(run=run, step=step, values=values))
    SFTRunMetric.objects.bulk_create(metrics)
    run.directory.mkdir(parents=True, exist_ok=True)
    log = "".join(f"Step {n} of {STEPS}: loss {2.65 - n / 80:.3f}\n" for n in range(1, STEPS + 1))
    (run.directory / "log.txt").write_text(log, encoding="utf-8")
    with (run.directory / "samples.jsonl").open("w", encoding="utf-8") as file:
        for shown in snapshot.demonstrations.order_by("id")[:2]:
            texts = {
                0: "As a model I can say that this is a very good question, which many ask.",
                STEPS: "In short: many people ask this, and here is a very good answer.",
            }
            for step, text in texts.items():
                line = {"step": step, "prompt_id": shown.pk, "text": text}
                file.write(json.dumps(line) + "\n")
    return run


def learning(scene: WritingScene) -> SFTRun:
    """A run that learns at this moment."""
    now = timezone.now()
    return SFTRun.objects.create(
        snapshot=scene.snapshot,
        parent=scene.child,
        status="running",
        claim_key="00000000-0000-0000-0000-000000000002",
        step=3,
        steps=STEPS,
        attempts=1,
        started_at=now - timedelta(minutes=1),
        heartbeat_at=now,
    )
