"""The people and things that tests speak of.

alice and bob label; carol manages their campaign; erin is the engineer; simon is a simulation;
mallory signs in but belongs to nothing.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from labeling.models import (
    Assignment,
    Campaign,
    CampaignPolicy,
    Demonstration,
    Judgment,
    Membership,
    Policy,
    PreferenceImport,
    Prompt,
    Response,
    ResponseGroup,
    Snapshot,
    User,
)
from labeling.services.assignments import claim_next
from labeling.services.campaigns import add_members
from labeling.services.comparisons import create_comparisons
from labeling.services.demonstrations import (
    claim_prompt,
    record_demonstration,
    want_demonstrations,
)
from labeling.services.judgments import Answer, record_judgment
from labeling.services.prompts import store_prompts
from labeling.services.rankings import create_groups
from rewardmodel.models import RewardModel

PASSWORD = "open sesame 42"


def person(name: str, **more: Any) -> User:
    return User.objects.create_user(name, password=PASSWORD, **more)


@pytest.fixture
def alice(db: None) -> User:
    return person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob")


@pytest.fixture
def carol(db: None) -> User:
    return person("carol")


@pytest.fixture
def erin(db: None) -> User:
    return person("erin", is_engineer=True)


@pytest.fixture
def simon(db: None) -> User:
    return person("simon", kind=User.Kind.SIMULATION)


@pytest.fixture
def mallory(db: None) -> User:
    return person("mallory")


@pytest.fixture
def policy(db: None) -> Policy:
    return Policy.objects.create(name="parrot", version=0, checkpoint="/models/parrot")


@pytest.fixture
def campaign(alice: User, bob: User, carol: User) -> Campaign:
    """An open campaign that asks for one opinion a pair, on a scale of three steps a side."""
    made = Campaign.objects.create(
        name="Helpfulness",
        status=Campaign.Status.OPEN,
        created_by=carol,
        flags=["unsafe", "wrong language"],
    )
    add_members(campaign=made, users=[alice, bob], role=Membership.Role.LABELER)
    add_members(campaign=made, users=[carol], role=Membership.Role.MANAGER)
    return made


@pytest.fixture
def chat_campaign(campaign: Campaign, policy: Policy) -> Campaign:
    """Two policies answer whatever a labeler writes."""
    other = Policy.objects.create(name="owl", version=0, checkpoint="/models/owl")
    for entrant in (policy, other):
        CampaignPolicy.objects.create(campaign=campaign, policy=entrant, max_tokens=32)
    campaign.kind = Campaign.Kind.CHAT
    campaign.save(update_fields=["kind"])
    return campaign


@pytest.fixture
def writing_campaign(campaign: Campaign) -> Campaign:
    """Labelers write the ideal answers to three questions."""
    campaign.kind = Campaign.Kind.DEMONSTRATION
    campaign.save(update_fields=["kind"])
    prompts = [ask(f"Question {n}?") for n in range(3)]
    campaign.prompts.add(*prompts)
    want_demonstrations(campaign=campaign, prompts=prompts, offers={})
    return campaign


def frozen(campaign: Campaign, **more: Any) -> Snapshot:
    """A snapshot of a campaign, whose file nobody reads."""
    row = {"digest": uuid.uuid4().hex * 2, "artifact_url": "file:///none", "recipe": {}}
    row |= {"train_pairs": 9, "test_pairs": 9}
    return Snapshot.objects.create(campaign=campaign, **row | more)


def trained(campaign: Campaign, base: Policy, **more: Any) -> RewardModel:
    """A finished reward model of a campaign, whose weights nobody reads."""
    row: dict[str, Any] = {"base": base, "status": "succeeded", "checkpoint": "file:///none"}
    row |= more
    if "snapshot" not in row:
        row["snapshot"] = frozen(campaign)
    return RewardModel.objects.create(**row)


def ask(text: str) -> Prompt:
    return store_prompts([([{"role": "user", "content": text}], "facts")])[0]


def pair(prompt: Prompt, policy: Policy, first: str, second: str) -> tuple[Response, Response]:
    one, other = (
        Response.objects.create(prompt=prompt, policy=policy, text=text) for text in (first, second)
    )
    return one, other


@pytest.fixture
def fill(policy: Policy) -> Callable[..., list[Assignment]]:
    """Puts so many comparisons into a campaign and returns their slots."""

    def make(campaign: Campaign, count: int = 1) -> list[Assignment]:
        start = campaign.comparisons.count()
        pairs = [
            pair(ask(f"Question {n}?"), policy, f"Answer one to {n}.", f"Answer two to {n}.")
            for n in range(start, start + count)
        ]
        create_comparisons(campaign=campaign, pairs=pairs)
        return list(Assignment.objects.filter(comparison__campaign=campaign).order_by("id"))

    return make


def judge(
    labeler: User,
    campaign: Campaign,
    preference: int = -1,
    equal: str = "",
    now: datetime | None = None,
    aspects: dict[str, int] | None = None,
) -> Judgment:
    """Let one labeler take and answer the next pair of a campaign."""
    now = now or timezone.now()
    assignment = claim_next(labeler=labeler, campaign=campaign, now=now)
    assert assignment is not None
    return record_judgment(
        assignment=assignment,
        labeler=labeler,
        answer=Answer(preference=preference, equal=equal, aspects=aspects or {}),
        client_key=uuid.uuid4(),
        seconds=3.0,
        now=now,
    )


def write(
    labeler: User, campaign: Campaign, text: str = "Because.", now: datetime | None = None
) -> Demonstration:
    """Let one labeler take the next prompt of a campaign and answer it ideally."""
    now = now or timezone.now()
    slot = claim_prompt(labeler=labeler, campaign=campaign, now=now)
    assert slot is not None
    return record_demonstration(
        slot=slot,
        labeler=labeler,
        text=text,
        started_from=None,
        client_key=uuid.uuid4(),
        seconds=40.0,
        now=now,
    )


def imported_judgment(campaign: Campaign, pair: tuple[Response, Response], better: int) -> Judgment:
    """A preference from elsewhere about one pair; negative: the first is better."""
    source = PreferenceImport.objects.create(
        campaign=campaign, name="test", digest=uuid.uuid4().hex
    )
    [comparison] = create_comparisons(campaign=campaign, pairs=[pair], with_slots=False)
    return Judgment.objects.create(
        comparison=comparison,
        judge_kind=Judgment.JudgeKind.PERSON,
        imported_from=source,
        preference=better,
        client_key=uuid.uuid4(),
    )


@pytest.fixture
def ranked(campaign: Campaign) -> Campaign:
    """The campaign asks for orders instead of pairs; tests fill it with groups."""
    campaign.kind = Campaign.Kind.RANKING
    campaign.strength = 1
    campaign.save(update_fields=["kind", "strength"])
    return campaign


def group(campaign: Campaign, policy: Policy, question: str, texts: Sequence[str]) -> ResponseGroup:
    """So many responses to one prompt, to be put in order."""
    prompt = ask(question)
    responses = [Response.objects.create(prompt=prompt, policy=policy, text=text) for text in texts]
    [made] = create_groups(campaign=campaign, prompt=prompt, responses=responses)
    return made


def rank(
    labeler: User, campaign: Campaign, ranks: Sequence[int], now: datetime | None = None
) -> Judgment:
    """Let one labeler take the next group of a campaign and give its candidates these ranks."""
    now = now or timezone.now()
    assignment = claim_next(labeler=labeler, campaign=campaign, now=now)
    assert assignment is not None
    return record_judgment(
        assignment=assignment,
        labeler=labeler,
        answer=Answer.from_ranks(ranks),
        client_key=uuid.uuid4(),
        seconds=9.0,
        now=now,
    )
