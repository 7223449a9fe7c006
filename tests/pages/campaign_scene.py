"""What managers have around a campaign: files of prompts, a pair plan, a planner, webhooks, groups.

Made-up, and the same each time.
"""

import uuid
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from labeling.models import (
    Campaign,
    CampaignPolicy,
    Delivery,
    DeliveryAttempt,
    LabelerGroup,
    PairChoice,
    PlannedMeeting,
    PromptFile,
    Report,
    Webhook,
)
from labeling.services.campaigns import create_campaign
from labeling.services.groups import found_group, invite_group
from labeling.services.prompts import store_prompts
from labeling.services.reports import compute
from tests.pages.scene import Scene


def planning(scene: Scene) -> list[str]:
    """The addresses of these pages that are managers' alone, with something on each."""
    shown = screens(scene)
    return [address for name, (_who, address) in shown.items() if name != "notices"]


def screens(scene: Scene) -> dict[str, tuple[str, str]]:
    """Name of the picture -> (who looks, address)."""
    campaign = scene.campaign.pk
    draft = _draft(scene)
    _files(scene, draft)
    _count(scene.duel)
    _plan(scene)
    hook, group = _webhook(scene), _group(scene)
    return {
        "prompts": ("maria", reverse("labeling:prompts", args=[draft.pk])),
        "prompts-checked": ("maria", reverse("labeling:dashboard", args=[draft.pk, "prompts"])),
        "plan": ("maria", reverse("rlhf:plan", args=[campaign])),
        "planner": (
            "maria",
            reverse("rlhf:planner", args=[scene.duel.pk]) + "?accuracy=72&price=0.35&a_day=60",
        ),
        "webhooks": ("maria", reverse("labeling:webhooks")),
        "webhook": ("maria", reverse("labeling:webhook", args=[hook.pk])),
        "notices": ("maria", reverse("labeling:notices")),
        "groups": ("maria", reverse("labeling:groups")),
        "group": ("maria", reverse("labeling:group", args=[group.pk])),
    }


def _draft(scene: Scene) -> Campaign:
    """A campaign before its launch, in which some prompts say nearly the same."""
    draft = create_campaign(campaign=Campaign(name="Everyday questions"), by=scene.manager)
    asked = [
        ("cooking", "How do I keep pasta from sticking together after it is drained?"),
        ("cooking", "How do I keep pasta from sticking together once it is drained?"),
        ("cooking", "What can I cook from two eggs, a potato and an onion?"),
        ("travel", "Which papers do I need to travel from Spain to Morocco by car?"),
        ("travel", "Plan a quiet weekend in a small town by the sea in October."),
        ("work", "Write a polite reply to a customer whose parcel is a week late."),
        *(
            ("work", f"Write a polite reply to a customer whose parcel is {n} days late.")
            for n in range(2, 9)
        ),
    ]
    draft.prompts.add(
        *store_prompts(([{"role": "user", "content": text}], category) for category, text in asked)
    )
    report = Report.objects.create(campaign=draft, subject=Report.Subject.PROMPTS, judges="person")
    assert report.claim(timezone.now())
    compute(report)
    return draft


def _count(campaign: Campaign) -> None:
    """How the policies fare against each other so far, and what choosing pairs is worth."""
    for number, comparison in enumerate(campaign.comparisons.order_by("id")):
        chosen = number % 3 > 0
        PairChoice.objects.create(
            comparison=comparison,
            arm="uncertainty" if chosen else "random",
            disagreement=0.9 if chosen else 0.3,
            chance=0.55 if chosen else 0.75,
        )
    report = Report.objects.create(
        campaign=campaign, subject=Report.Subject.MEETINGS, judges="person"
    )
    assert report.claim(timezone.now())
    compute(report)


def _files(scene: Scene, campaign: Campaign) -> None:
    now = timezone.now()
    common = {"campaign": campaign, "uploaded_by": scene.manager, "artifact_url": "file:///x"}
    for hours, more in (
        (70, {"status": "done", "rows": 12_480, "prompts": 400, "pairs": 0, "sample_size": 400}),
        (
            26,
            {
                "status": "failed",
                "error": "Row 118, field “prompt”: The last message of the prompt must be the "
                "user's. Nothing was imported.",
            },
        ),
        (0, {"status": "running", "rows_checked": 31_500, "seen_at": now}),
    ):
        PromptFile.objects.create(
            **common,
            **more,
            name=f"questions-{hours}.parquet",
            digest=f"{hours:064}",
            size=(hours + 3) * 81_000,
            uploaded_at=now - timedelta(hours=hours),
            ended_at=None if more["status"] == "running" else now,
        )


def _plan(scene: Scene) -> None:
    one = scene.campaign.entrants.get()
    other = CampaignPolicy.objects.create(campaign=scene.campaign, policy=scene.child)
    for pair, weight in (((other, one), 3), ((one, one), 1)):
        PlannedMeeting.objects.create(
            campaign=scene.campaign, one=pair[0], other=pair[1], weight=weight, one_temperature=0.7
        )


def _webhook(scene: Scene) -> Webhook:
    now = timezone.now()
    hook = Webhook.objects.create(
        campaign=scene.campaign,
        url="https://hooks.example.org/accord",
        kinds=["snapshot.taken", "training.finished"],
        created_by=scene.manager,
    )
    for status, answers in (
        ("delivered", [(200, "ok")]),
        ("queued", [(503, "upstream is away"), (None, "no answer within 10 seconds")]),
    ):
        delivery = Delivery.objects.create(
            webhook=hook,
            event=uuid.uuid4(),
            kind="training.finished",
            payload={},
            status=status,
            tries=len(answers),
            due_at=now + timedelta(minutes=8),
        )
        for code, words in answers:
            DeliveryAttempt.objects.create(
                delivery=delivery, at=now, seconds=0.2, status=code, answer=words
            )
    return hook


def _group(scene: Scene) -> LabelerGroup:
    group = found_group(name="Evening shift", people=[scene.labeler], by=scene.manager)
    invite_group(campaign=scene.campaign, group=group, by=scene.manager)
    return group
