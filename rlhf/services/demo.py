"""The demo: people who can log in, a policy, and a campaign whose pairs vLLM writes."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from labeling.models import Campaign, CampaignPolicy, Prompt, User
from labeling.services.campaigns import change_status, create_campaign
from labeling.services.prompts import check_messages, store_prompts
from rlhf.services.generations import request_responses
from rlhf.services.policies import register_base
from rlhf.services.rounds import begin_round

CONTENT = Path(__file__).resolve().parents[2] / "labeling" / "demo"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "admin": {"is_staff": True, "is_superuser": True, "is_engineer": True},
    "manager": {},
    "labeler": {},
    "labeler2": {},
}
CAMPAIGN = "Helpfulness"
FLAGS = ["unsafe", "wrong language", "truncated", "personal data"]


def line_name(model: str) -> str:
    """The name of the line of policies that starts from a model: "SmolLM2-135M" -> "smollm2"."""
    stem = model.rstrip("/").rsplit("/", 1)[-1].lower()
    return "".join(c if c.isalnum() else "-" for c in stem).split("-")[0] or "model"


@transaction.atomic
def seed_demo() -> bool:
    """Make the demo where there is nothing yet; false when there was something."""
    if Campaign.objects.exists() or User.objects.exists():
        return False
    people = _accounts()
    policy = register_base(name=line_name(settings.MODEL_PATH), checkpoint=settings.MODEL_PATH)
    campaign = create_campaign(
        campaign=Campaign(
            name=CAMPAIGN,
            guidelines=(CONTENT / "guidelines.md").read_text(encoding="utf-8"),
            flags=FLAGS,
            rationale_from=3,  # "much better" is worth a sentence
            reward_model_after=100,
            policy_margin=0.0,
        ),
        by=people["manager"],
        entrants=[CampaignPolicy(policy=policy, responses=2, max_tokens=96)],
        labelers=[people["labeler"], people["labeler2"]],
    )
    change_status(campaign=campaign, to=Campaign.Status.OPEN)
    begin_round(campaign=campaign)
    request_responses(campaign=campaign, prompts=demo_prompts())
    return True


def demo_prompts() -> list[Prompt]:
    """The prompts that come with the repository, stored."""
    return store_prompts(
        (check_messages(row["messages"]), row["category"])
        for row in _rows(CONTENT / "prompts.jsonl")
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _accounts() -> dict[str, User]:
    """Demo accounts with passwords made now, written where only this system's user can read."""
    people, lines = {}, []
    for name, rights in ACCOUNTS.items():
        password = secrets.token_urlsafe(9)
        people[name] = User.objects.create_user(name, password=password, **rights)
        lines.append(f"{name:<10} {password}\n")
    path = Path(settings.VAR) / "demo-accounts.txt"
    unfinished = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with open(unfinished, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return people
