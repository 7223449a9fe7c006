"""Every address of the project, asked by every role and by a stranger."""

import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from labeling.models import (
    Campaign,
    Chat,
    ChatTurn,
    Delivery,
    GoldQuestion,
    Hold,
    Image,
    Judgment,
    Membership,
    PlannedMeeting,
    PromptFile,
    PromptImage,
    ReviewItem,
    User,
    Webhook,
)
from labeling.services.assignments import claim_next
from labeling.services.demonstration_snapshots import take_demonstration_snapshot
from labeling.services.demonstrations import claim_prompt, want_demonstrations
from labeling.services.groups import found_group, invite_group
from labeling.services.invitations import invite, token_of
from labeling.services.tokens import make_token
from rlhf.models import BestOfRun, SFTRun
from tests.access_table import ROLES, TABLE
from tests.cast import ask, person, write
from tests.pages.judge_scene import held_out, leave_behind
from tests.pages.scene import Scene, set_scene

TURNED_AWAY = {401, 403, 404}


def addresses() -> Iterator[str]:
    """The names of all addresses but the admin's, which has rules of its own."""

    def walk(patterns: list[Any], space: str) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield f"{space}{pattern.name or pattern.pattern}"
            else:
                inner = f"{pattern.namespace}:" if pattern.namespace else ""
                yield from walk(pattern.url_patterns, space + inner)

    yield from (name for name in walk(get_resolver().url_patterns, "") if name[:6] != "admin:")


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> SimpleNamespace:
    """One of everything that an address can name."""
    settings.VAR = tmp_path
    scene = set_scene()
    leave_behind(scene.reward_model, held_out(scene))
    reviewer = person("rita")
    Membership.objects.create(campaign=scene.campaign, user=reviewer, role="reviewer")
    return SimpleNamespace(
        campaign=scene.campaign,
        people={
            "nobody": None,
            "stranger": person("mallory"),
            "labeler": scene.labeler,
            "reviewer": reviewer,
            "manager": scene.manager,
            "engineer": scene.engineer,
            "administrator": person("root", is_superuser=True, is_staff=True),
        },
        **pairs_of(scene.campaign, scene.labeler, reviewer),
        **questions_of(scene.campaign, tmp_path),
        **people_of(scene),
        **conversation(scene, joined("Talk", "chat", scene, reviewer)),
        **demonstrations(scene, joined("Answers to write", "demonstration", scene, reviewer)),
        **training(scene),
    )


def joined(name: str, kind: str, scene: Scene, reviewer: User) -> Campaign:
    """A campaign of another kind with the same people."""
    campaign = Campaign.objects.create(name=name, kind=kind, status="open")
    roles = {"labeler": scene.labeler, "reviewer": reviewer, "manager": scene.manager}
    for role, user in roles.items():
        Membership.objects.create(campaign=campaign, user=user, role=role)
    return campaign


def pairs_of(campaign: Campaign, labeler: User, reviewer: User) -> dict[str, Any]:
    return {
        "assignment": claim_next(labeler=labeler, campaign=campaign, now=timezone.now()),
        "judgment": Judgment.objects.filter(labeler=labeler, comparison__campaign=campaign).first(),
        "gold": GoldQuestion.objects.filter(comparison__campaign=campaign).first(),
        "review_item": ReviewItem.objects.create(
            campaign=campaign, comparison=campaign.comparisons.first(), reason="flagged", weight=1
        ),
        "hold": Hold.objects.create(
            campaign=campaign, labeler=reviewer, kind="quarantine", reason="Too quick."
        ),
    }


def questions_of(campaign: Campaign, folder: Path) -> dict[str, Any]:
    """What is asked and by which plan: an image in a prompt, a file of prompts, a planned line."""
    prompt = ask("What does the picture show?")
    campaign.prompts.add(prompt)
    picture = folder / "dot.png"
    picture.write_bytes(b"a picture")
    image = Image.objects.create(
        digest="a" * 64, artifact_url=f"file://{picture}", width=1, height=1
    )
    PromptImage.objects.create(prompt=prompt, image=image)
    entrant = campaign.entrants.get()
    return {
        "image": image,
        "prompt_file": PromptFile.objects.create(
            campaign=campaign, name="p.csv", digest="c" * 64, size=1, artifact_url="file:///none"
        ),
        "plan_line": PlannedMeeting.objects.create(campaign=campaign, one=entrant, other=entrant),
    }


def people_of(scene: Scene) -> dict[str, Any]:
    """Who is invited and told of what, and how they get in."""
    campaign, owner, now = scene.campaign, scene.labeler, timezone.now()
    invitation = invite(campaign=campaign, role="labeler", email="", by=scene.manager, now=now)
    labelers = found_group(name="Evening shift", people=[owner], by=scene.manager)
    invite_group(campaign=campaign, group=labelers, by=scene.manager)
    webhook = Webhook.objects.create(
        campaign=campaign, url="https://example.org/hook", kinds=["snapshot.taken"]
    )
    token, _key = make_token(owner=owner, name="loader", scopes=["read"], days=9, now=now)
    return {
        "membership": campaign.memberships.get(user=owner),
        "invitation": invitation,
        "token": token_of(invitation),
        "labelers": labelers,
        "webhook": webhook,
        "delivery": Delivery.objects.create(
            webhook=webhook, event=uuid.uuid4(), kind="snapshot.taken", payload={}
        ),
        "identity": SocialAccount.objects.create(user=owner, provider="company", uid="1"),
        "api_token": token,
    }


def conversation(scene: Scene, campaign: Campaign) -> dict[str, Any]:
    chat = Chat.objects.create(campaign=campaign, labeler=scene.labeler)
    turn = ChatTurn.objects.create(
        chat=chat,
        number=0,
        prompt=ask("Who are you?"),
        client_key=uuid.uuid4(),
        first_policy=scene.parent,
        second_policy=scene.child,
        first_sampling={},
        second_sampling={},
        first_on_left=True,
    )
    return {"chat": chat, "turn": turn}


def demonstrations(scene: Scene, campaign: Campaign) -> dict[str, Any]:
    want_demonstrations(campaign=campaign, prompts=[ask("Why?"), ask("How?")], offers={})
    demonstration = write(scene.labeler, campaign)
    written = take_demonstration_snapshot(campaign=campaign, by=scene.engineer)
    return {
        "demonstration": demonstration,
        "written": written,
        "slot": claim_prompt(labeler=scene.labeler, campaign=campaign, now=timezone.now()),
        "sft_run": SFTRun.objects.create(snapshot=written, parent=scene.parent),
    }


def training(scene: Scene) -> dict[str, Any]:
    return {
        "snapshot": scene.reward_model.snapshot,
        "reward_model": scene.reward_model,
        "held_out": held_out(scene)[0],
        "best_of": BestOfRun.objects.create(reward_model=scene.reward_model, policy=scene.parent),
        "policy": scene.child,
        "policy_run": scene.policy_run,
        "round": scene.round,
    }


class Undone(Exception):
    """Takes back what a request did."""


def answer_to(user: User | None, method: str, address: str) -> tuple[int, str]:
    """The status and the page of an answer, whose effects are taken back.

    A way to the sign-in is a 401. What is no page, such as a file, is empty.
    """
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    try:
        with transaction.atomic():
            response = client.generic(method, address)
            status = response.status_code
            if status == 302 and response["Location"].startswith(reverse("login")):
                status = 401 if "next=" in response["Location"] else status
            is_page = response.headers.get("Content-Type", "").startswith("text/html")
            page = response.content.decode() if is_page else ""
            raise Undone
    except Undone:
        return status, page


class Ways(HTMLParser):
    """Where a page leads by GET: its links, its pictures, its forms and what htmx fetches."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = ["hx-get", "href"] if tag == "a" else ["hx-get", "src"]
        if tag == "form" and (given.get("method") or "get").lower() == "get":
            names.append("action")
        self.found.update(way for name in names if (way := given.get(name)))


def ways_from(address: str, page: str) -> set[str]:
    """The addresses of this installation that a page leads to; static files belong to nobody."""
    ways = {urldefrag(urljoin(f"http://testserver{address}", way)).url for way in Ways(page).found}
    return {
        way.removeprefix("http://testserver")
        for way in ways
        if urlsplit(way).netloc == "testserver" and not urlsplit(way).path.startswith("/static/")
    }


def test_each_address_has_a_row_and_each_row_an_address():
    without_a_row = set(addresses()) - set(TABLE)
    assert not without_a_row, "add them to tests/access_table.py"
    assert not set(TABLE) - set(addresses())


def test_every_role_and_a_stranger_get_exactly_what_the_table_says(world):
    wrong = []
    for name, row in TABLE.items():
        address = reverse(name, kwargs=row.of(world))
        for role in ROLES:
            status, _ = answer_to(world.people[role], row.method, f"{address}?{row.query}")
            if (status not in TURNED_AWAY) != (role in row.who):
                wrong.append(f"{role} asks {row.method} {address} ({name}): {status}")
            if status == 405 or (status >= 500 and name != "healthz"):  # which may say 503
                wrong.append(f"{role} asks {row.method} {address} ({name}): broken, {status}")
    assert not wrong, "\n".join(wrong)


def test_no_page_leads_its_reader_to_a_closed_door(world):
    pages = {
        f"{reverse(name, kwargs=row.of(world))}?{row.query}": row
        for name, row in TABLE.items()
        if row.method == "GET"
    }
    closed = []
    for role in ROLES:
        led_from = {}
        for address, row in pages.items():
            if role in row.who:
                _, page = answer_to(world.people[role], "GET", address)
                led_from |= dict.fromkeys(ways_from(address, page), address)
        assert led_from, f"{role} reads no page that leads anywhere"
        for way, address in led_from.items():
            status, _ = answer_to(world.people[role], "GET", way)
            if status in {403, 404}:
                closed.append(f"{address} leads {role} to {way}: {status}")
    assert not closed, "\n".join(closed)


def test_the_engine_room_is_for_administrators_alone(world):
    for role in ROLES:
        status, _ = answer_to(world.people[role], "GET", reverse("admin:index"))
        assert (status == 200) == (role == "administrator"), role
