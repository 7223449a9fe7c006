"""A campaign in the middle of its life: what pages look like when there is something on them."""

import json
import math
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from labeling.models import (
    Campaign,
    CampaignPolicy,
    Judgment,
    Membership,
    Policy,
    Report,
    Response,
    ReviewItem,
    Snapshot,
    User,
)
from labeling.services.campaigns import add_members
from labeling.services.comparisons import create_comparisons
from labeling.services.gold import add_gold
from labeling.services.judgments import Answer
from labeling.services.prompts import store_prompts
from labeling.services.reports import FIGURES, compute
from labeling.services.reviews import decide, note_surprises
from rewardmodel.learning.rundirectory import write_rows
from rewardmodel.models import RewardModel, RewardModelMetric
from rlhf.models import PolicyRun, PolicyRunMetric, Promotion, ResponseRequest, Round
from tests.cast import frozen, judge, person
from tests.pages.kinds_scene import KindsScene, set_kinds_scene
from tests.pages.writing_scene import WritingScene, set_writing_scene

DEMO = Path(__file__).resolve().parents[2] / "labeling" / "demo"
PAIRS = 24


@dataclass(frozen=True)
class Scene:
    campaign: Campaign
    duel: Campaign
    reward_model: RewardModel
    policy_run: PolicyRun
    parent: Policy
    child: Policy
    round: Round
    labeler: User
    manager: User
    engineer: User
    writing: WritingScene
    kinds: KindsScene


def set_scene() -> Scene:
    chance = random.Random(7)
    now = timezone.now()
    labeler, other = person("lea", first_name="Lea"), person("tom")
    manager = person("maria", first_name="Maria")
    engineer = person("erik", first_name="Erik", is_engineer=True)
    parent = Policy.objects.create(name="smollm2", version=0, checkpoint="/models/SmolLM2-135M")
    Promotion.objects.create(policy=parent, reason="The first version of its line.")
    campaign = _campaign(
        "Helpfulness",
        manager,
        [labeler, other],
        overlap=2,
        price=Decimal("0.35"),
        budget=Decimal(250),
        daily_quota=120,
    )
    CampaignPolicy.objects.create(campaign=campaign, policy=parent)
    _pairs(campaign, parent, parent)
    _labels(campaign, {labeler: 14, other: 17}, now, chance)
    for subject in FIGURES:
        _report(campaign, subject, now)
    _requests(campaign, parent)
    snapshot = frozen(
        campaign,
        digest="5f1c09a47be2" + "0" * 52,
        recipe={"judge_kinds": ["person"]},
        train_pairs=318,
        test_pairs=57,
        created_by=engineer,
    )
    snapshot.judgments.set(Judgment.objects.filter(comparison__campaign=campaign))
    reward_model = _reward_model(snapshot, parent, now, chance)
    policy_run, child = _policy_run(campaign, parent, reward_model, now, chance)
    duel = _campaign("Helpfulness, round 1", manager, [labeler], overlap=1)
    _pairs(duel, child, parent)
    for _ in range(11):
        judge(labeler, duel, chance.choice([-2, -1, 1]), now=now)
    _report(duel, "policies", now)
    going = Round.objects.create(
        campaign=campaign,
        number=1,
        snapshot=snapshot,
        reward_model=reward_model,
        policy_run=policy_run,
        duel=duel,
    )
    writing = set_writing_scene(campaign, parent, labeler, manager, engineer)
    kinds = set_kinds_scene(labeler, manager, parent, child)
    return Scene(
        campaign=campaign,
        duel=duel,
        reward_model=reward_model,
        policy_run=policy_run,
        parent=parent,
        child=child,
        round=going,
        labeler=labeler,
        manager=manager,
        engineer=engineer,
        writing=writing,
        kinds=kinds,
    )


def _report(campaign: Campaign, subject: str, now: Any) -> None:
    report = Report.objects.create(campaign=campaign, subject=subject, judges="person")
    assert report.claim(now)
    compute(report)


def reviews(scene: Scene) -> tuple[ReviewItem, ReviewItem]:
    """A pair that waits for a decision, and one that has it."""
    waiting, decided = ReviewItem.objects.filter(campaign=scene.campaign, reason="disagreement")[:2]
    note_surprises(
        scene.campaign,
        [(decided.comparison_id, 1.42, {"reward_model": 1, "prefers_first": True})],
    )
    decide(
        item=decided,
        reviewer=scene.manager,
        answer=Answer(preference=-2, rationale="The other one invents a source."),
        client_key=uuid.uuid4(),
        seconds=21.0,
        now=timezone.now(),
    )
    decided.refresh_from_db()
    return waiting, decided


def _labels(
    campaign: Campaign, counts: dict[User, int], now: datetime, chance: random.Random
) -> None:
    """So many judgments by each labeler, checks of them, and guidelines that changed since."""
    for who, count in counts.items():
        for back in reversed(range(count)):
            before = now - timedelta(hours=9 * back)
            judge(who, campaign, chance.choice([-3, -2, -1, 1, 2, 3]), now=before)
    _checks(campaign, list(counts), now)
    campaign.guidelines = campaign.guidelines.replace(
        "**Length is not quality.** Two good sentences",
        "**Length is not quality**, and neither is Markdown. Two good sentences",
    )
    campaign.save(update_fields=["guidelines"])


def _campaign(name: str, manager: User, labelers: list[User], **more: Any) -> Campaign:
    made = Campaign.objects.create(
        name=name,
        guidelines=(DEMO / "guidelines.md").read_text(encoding="utf-8"),
        status=Campaign.Status.OPEN,
        created_by=manager,
        flags=["unsafe", "wrong language", "truncated", "personal data"],
        allow_both_good=True,
        reward_model_after=100,
        policy_margin=0.05,
        **more,
    )
    add_members(campaign=made, users=labelers, role=Membership.Role.LABELER)
    add_members(campaign=made, users=[manager], role=Membership.Role.MANAGER)
    return made


def _pairs(campaign: Campaign, one: Policy, other: Policy) -> None:
    pairs = []
    with (DEMO / "preferences.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(PAIRS), strict=False)]
    for row in rows:
        messages = row["prompt"]
        prompt = store_prompts([(messages, "")])[0]
        campaign.prompts.add(prompt)
        texts = row["chosen"], row["rejected"]
        first, second = (
            Response.objects.create(prompt=prompt, policy=policy, text=text)
            for policy, text in zip((one, other), texts, strict=True)
        )
        pairs.append((first, second))
    create_comparisons(campaign=campaign, pairs=pairs)


def _checks(campaign: Campaign, labelers: list[User], now: Any) -> None:
    """Gold amid the pairs, and pairs that came back: one labeler is surer than the other."""
    for n, (kind, question) in enumerate(
        [
            ("silent", "What is the capital of Canada?"),
            ("silent", "How many legs has a spider?"),
            ("attention", "Which of the two answers is about cats?"),
            ("test", "What boils at a hundred degrees at sea level?"),
        ]
    ):
        add_gold(
            campaign=campaign,
            messages=[{"role": "user", "content": question}],
            first=f"This is the right answer, number {n}.",
            second="I like trains.",
            right="first",
            kind=kind,
            explanation="The other one does not answer the question.",
            by=None,
        )
    campaign.gold_share, campaign.repeat_share = 1.0, None
    for who, sides in ((labelers[0], (-1, -2, -1)), (labelers[1], (-1, 1, 1))):
        for side in sides:
            judge(who, campaign, side, now=now)
    campaign.gold_share, campaign.repeat_share = None, 1.0
    for who, sides in ((labelers[0], (-2, -1, 1, -1, 2)), (labelers[1], (2, -1, 1))):
        for side in sides:
            judge(who, campaign, side, now=now + timedelta(days=5))
    campaign.gold_share, campaign.repeat_share = 0.05, 0.05
    campaign.save(update_fields=["gold_share", "repeat_share"])


def _requests(campaign: Campaign, policy: Policy) -> None:
    for position, prompt in enumerate(campaign.prompts.order_by("id")):
        waits = position > 18
        ResponseRequest.objects.create(
            campaign=campaign,
            prompt=prompt,
            policy=policy,
            number=0,
            sampling={},
            status="queued" if waits else "done",
            error="No inference server answers at http://127.0.0.1:8100/v1." if waits else "",
        )


def _reward_model(snapshot: Snapshot, base: Policy, now: Any, chance: random.Random) -> RewardModel:
    run = RewardModel.objects.create(
        snapshot=snapshot,
        base=base,
        status="succeeded",
        checkpoint="file:///tmp/reward",
        step=120,
        steps=120,
        attempts=1,
        started_at=now - timedelta(minutes=50),
        finished_at=now - timedelta(minutes=31),
        figures={
            "accuracy": 0.684,
            "accuracy_low": 0.553,
            "accuracy_high": 0.791,
            "length_baseline": 0.561,
            "majority_baseline": 0.509,
            "test_pairs": 57,
            "train_pairs": 318,
        },
    )
    metrics = []
    for step in range(1, 121):
        values = {
            "seconds": 6.1,
            "loss": 0.69 - 0.2 * (1 - math.exp(-step / 60)) + chance.gauss(0, 0.02),
            "accuracy": 0.5 + 0.2 * (1 - math.exp(-step / 50)) + chance.gauss(0, 0.04),
            "margin": 0.6 * (1 - math.exp(-step / 70)) + chance.gauss(0, 0.04),
            "tokens_per_second": 150 + chance.gauss(0, 6),
        }
        if step % 20 == 0:
            values["test_accuracy"] = 0.5 + 0.18 * (1 - math.exp(-step / 60))
        metrics.append(RewardModelMetric(run=run, step=step, values=values))
    RewardModelMetric.objects.bulk_create(metrics)
    return run


def _policy_run(
    campaign: Campaign,
    parent: Policy,
    reward_model: RewardModel,
    now: Any,
    chance: random.Random,
) -> tuple[PolicyRun, Policy]:
    child = Policy.objects.create(name="smollm2", version=1, parent=parent, checkpoint="/models/v1")
    held_out = RewardModel.objects.create(
        snapshot=reward_model.snapshot,
        base=parent,
        learns_held_out=True,
        status="succeeded",
        checkpoint="file:///tmp/held-out",
        figures={"accuracy": 0.627, "accuracy_low": 0.573, "accuracy_high": 0.678},
    )
    run = PolicyRun.objects.create(
        campaign=campaign,
        parent=parent,
        reward_model=reward_model,
        held_out_model=held_out,
        policy=child,
        status="succeeded",
        checkpoint="file:///tmp/policy",
        step=24,
        steps=24,
        attempts=1,
        config={"updates": 24, "kl_coef": 0.05},
        started_at=now - timedelta(minutes=28),
        finished_at=now - timedelta(minutes=6),
        figures={
            "reward_before": -0.112,
            "reward_after": 0.417,
            "reward_gain": 0.529,
            "reward_gain_se": 0.084,
            "kl": 3.21,
            "test_prompts": 31,
            "win_rate": 0.79,
            "held_out": {
                "reward_gain": 0.118,
                "reward_gain_se": 0.091,
                "win_rate": 0.613,
                "test_prompts": 31,
            },
            "updates": 24,
            "result_of_update": 24,
        },
    )
    PolicyRunMetric.objects.bulk_create(
        PolicyRunMetric(run=run, step=step, values=_measured(step, chance)) for step in range(1, 25)
    )
    _leave_files(run)
    return run, child


def _measured(step: int, chance: random.Random) -> dict[str, float]:
    """What an update of a PPO run that goes well reports."""
    grown = 1 - math.exp(-step / 10)
    values = {
        "seconds": 48.0,
        "score": -0.1 + 0.6 * grown + chance.gauss(0, 0.05),
        "reward": -0.1 + 0.45 * grown + chance.gauss(0, 0.05),
        "kl": 3.2 * grown + chance.gauss(0, 0.1),
        "entropy": 2.4 - 0.5 * grown + chance.gauss(0, 0.03),
        "length": 44 + chance.gauss(0, 1.5),
        "clip_fraction": abs(0.08 + chance.gauss(0, 0.02)),
        "value_loss": 0.4 - 0.25 * grown + abs(chance.gauss(0, 0.02)),
        "seconds_rollout": 9 + chance.gauss(0, 0.5),
        "seconds_train": 34 + chance.gauss(0, 1),
        "seconds_score": 4 + chance.gauss(0, 0.2),
        "seconds_freeze": 6 + chance.gauss(0, 0.2),
        "seconds_sync": 1.5 + chance.gauss(0, 0.1),
        "tokens_per_second": 160 + chance.gauss(0, 8),
        "kl_coef": 0.05,
        "eos_rate": 0.4 + 0.2 * grown + chance.gauss(0, 0.03),
        "repetition": 0.06 + abs(chance.gauss(0, 0.01)),
        "explained_variance": 0.3 * grown + chance.gauss(0, 0.03),
        "engine_gap": 0.02 + abs(chance.gauss(0, 0.002)),
    }
    return values | ({"validation_score": -0.1 + 0.5 * grown} if step % 6 == 0 else {})


def _leave_files(run: PolicyRun) -> None:
    """The log and the samples that a program leaves in the directory of its run."""
    run.directory.mkdir(parents=True, exist_ok=True)
    log = "".join(f"Update {n}: score {n / 40 - 0.1:.3f}, kl {n / 8:.2f}\n" for n in range(1, 25))
    (run.directory / "log.txt").write_text(log, encoding="utf-8")
    samples = []
    for prompt in run.campaign.prompts.order_by("id")[:2]:
        for step in (0, 12, 24):
            more = "a thing that helps" if step else "one thing"
            text = f"Here is my answer after {step} updates.\n\n- {more}\n- another"
            samples.append({"step": step, "prompt_id": prompt.pk, "text": text})
    write_rows(run.directory / "samples.jsonl", samples)


def unfinished(scene: Scene) -> RewardModel:
    """A reward model that trains at this moment."""
    now = timezone.now()
    run = RewardModel.objects.create(
        snapshot=scene.reward_model.snapshot,
        base=scene.parent,
        status="running",
        claim_key="00000000-0000-0000-0000-000000000001",
        step=37,
        steps=120,
        attempts=1,
        started_at=now - timedelta(minutes=4),
        heartbeat_at=now,
    )
    RewardModelMetric.objects.bulk_create(
        RewardModelMetric(run=run, step=m.step, values=m.values)
        for m in scene.reward_model.metrics.filter(step__lte=37)
    )
    run.directory.mkdir(parents=True, exist_ok=True)
    (run.directory / "log.txt").write_text("Reading 318 pairs.\nTraining.\n", encoding="utf-8")
    return run
