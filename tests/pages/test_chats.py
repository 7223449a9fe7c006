"""A live conversation in Chromium, by keyboard alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from labeling.models import Campaign, ChatTurn, Comparison, Judgment, User
from tests.pages.axe import audit, violations
from tests.rlhf.scripted_server import scripted_server

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

POLICIES = ["parrot-v0", "owl-v0"]


def by_turn(body: dict[str, Any]) -> str:
    question = body["messages"][-1]["content"]
    return f"I am **sure** about “{question}”, says number {body['seed']}.\n\n- one\n- two"


@contextmanager
def answering(settings: Any, script: Any = by_turn) -> Iterator[None]:
    with scripted_server(POLICIES, script) as url:
        settings.VLLM_BASE_URLS = [url]
        yield


@pytest.fixture
def open_chat(live_server: Any, sign_in: Callable[..., Page], chat_campaign: Campaign) -> Any:
    def enter(who: User, into: Page | None = None) -> Page:
        page = sign_in(who, into) if into else sign_in(who)
        page.goto(live_server.url + reverse("rlhf:chat", args=[chat_campaign.pk]))
        expect(page.locator("[data-toggle=differ]")).to_be_visible()
        return page

    return enter


def send(page: Page, text: str) -> None:
    page.get_by_label("Your message").focus()
    page.keyboard.type(text)
    page.keyboard.press("Control+Enter")


def ended_by(go_on: threading.Event) -> Callable[[dict[str, Any]], Iterator[str]]:
    """Answers that stand still in the middle until they may go on."""

    def script(body: dict[str, Any]) -> Iterator[str]:
        yield "It begins "
        assert go_on.wait(60)
        yield f"and **ends** with {body['seed']}."

    return script


def to_judge(page: Page) -> Any:
    return page.get_by_role("form", name="Answers to judge")


def test_two_turns_are_led_and_judged_without_a_mouse(open_chat, alice, settings):
    page = open_chat(alice)
    with answering(settings):
        page.keyboard.press("Tab")  # the skip link, then as far as the message
        for _ in range(20):
            if page.evaluate("document.activeElement.matches('[data-message]')"):
                break
            page.keyboard.press("Tab")
        page.keyboard.type("Why?")
        page.keyboard.press("Control+Enter")
        expect(to_judge(page)).to_be_focused()
        expect(page.locator(".response strong")).to_have_count(2)  # rendered, no longer plain
        page.keyboard.press("6")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Your message")).to_be_focused()
        expect(page.locator(".turn")).to_have_count(2)

        page.keyboard.type("Really?")
        page.keyboard.press("Control+Enter")
        expect(to_judge(page)).to_be_focused()
        page.keyboard.press("t")
        page.keyboard.press("Enter")
        expect(page.get_by_text("chance picked the one to go on from")).to_be_visible()
        expect(page.locator(".turn")).to_have_count(4)
    assert sorted(abs(j.preference) for j in Judgment.objects.all()) == [0, 3]
    assert Comparison.objects.count() == 2
    assert all(judgment.seconds is not None for judgment in Judgment.objects.all())


def test_answers_grow_as_plain_text_side_by_side_and_a_reload_loses_and_doubles_nothing(
    open_chat, alice, settings
):
    go_on = threading.Event()

    def script(body: dict[str, Any]) -> Iterator[str]:
        yield "<b>**This is plain**</b> "
        assert go_on.wait(30)
        yield f"until the end of {body['seed']}."

    page = open_chat(alice)
    with answering(settings, script):
        send(page, "Why?")
        for side in ("left", "right"):
            expect(page.locator(f"[data-side={side}]")).to_have_text("<b>**This is plain**</b>")
        page.reload()
        for side in ("left", "right"):
            expect(page.locator(f"[data-side={side}]")).to_have_text("<b>**This is plain**</b>")
        go_on.set()
        expect(to_judge(page)).to_be_visible()
    assert ChatTurn.objects.count() == Comparison.objects.count() == 1


def test_a_second_tab_takes_the_conversation_over_and_the_first_says_so(
    open_chat, alice, settings, context
):
    go_on = threading.Event()

    first = open_chat(alice)
    with answering(settings, ended_by(go_on)):
        send(first, "Why?")
        expect(first.locator("[data-side=left]")).to_have_text("It begins")
        second = open_chat(alice, context.new_page())
        expect(second.locator("[data-side=left]")).to_have_text("It begins")
        expect(first.get_by_text("This conversation goes on in another tab")).to_be_visible()
        go_on.set()
        expect(to_judge(second)).to_be_visible()
    assert Comparison.objects.count() == 1


def test_a_message_that_meets_no_server_is_kept_and_sent_once(open_chat, alice, settings, context):
    page = open_chat(alice)
    with answering(settings):
        context.set_offline(True)
        send(page, "Why offline?")
        expect(page.get_by_text("Nothing is lost: what you wrote is kept here")).to_be_visible()
        assert page.get_by_label("Your message").input_value() == "Why offline?"
        context.set_offline(False)
        lost = []

        def lose(route: Route) -> None:
            """The message arrives, but its confirmation is lost the first time."""
            if lost:
                return route.continue_()
            lost.append(route.fetch())
            return route.abort()

        page.route("**/chat/say/", lose)
        page.reload()
        expect(page.get_by_label("Your message")).to_have_value("Why offline?")
        page.get_by_label("Your message").focus()
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Nothing is lost: what you wrote is kept here")).to_be_visible()
        page.keyboard.press("Control+Enter")
        expect(to_judge(page)).to_be_visible()
    assert ChatTurn.objects.count() == 1


def test_after_trouble_enter_asks_again(open_chat, alice, settings):
    page = open_chat(alice)
    send(page, "Why?")  # nothing listens at the address
    heading = page.get_by_role("heading", name="There are no answers to this message")
    expect(heading).to_be_focused()
    expect(page.get_by_role("alert").filter(has_text="No server answers here")).to_be_visible()
    with answering(settings):
        page.keyboard.press("Enter")
        expect(to_judge(page)).to_be_visible()


def test_a_double_enter_sends_one_message(open_chat, alice, settings):
    page = open_chat(alice)
    with answering(settings):
        page.get_by_label("Your message").focus()
        page.keyboard.type("Why?")
        page.evaluate(
            "() => { const form = document.querySelector('.composer');"
            " form.requestSubmit(); form.requestSubmit(); }"
        )
        expect(to_judge(page)).to_be_visible()
    assert ChatTurn.objects.count() == 1


def test_axe_finds_nothing_in_any_state_of_a_conversation_in_either_theme(
    open_chat, alice, settings
):
    go_on = threading.Event()
    found: list[str] = []

    def look(page: Page, state: str) -> None:
        for theme in ("light", "dark"):
            page.emulate_media(reduced_motion="reduce", color_scheme=theme)
            for violation in audit(page)["violations"]:
                nodes = "; ".join(node["html"][:120] for node in violation["nodes"])
                found.append(f"{state} in {theme}: {violation['id']}: {nodes}")

    page = open_chat(alice)
    look(page, "beginning")
    send(page, "Why?")
    expect(page.get_by_role("heading", name="There are no answers")).to_be_visible()
    look(page, "trouble")
    with answering(settings, ended_by(go_on)):
        page.keyboard.press("Enter")
        expect(page.locator("[data-side=left]")).to_have_text("It begins")
        look(page, "streaming")
        go_on.set()
        expect(to_judge(page)).to_be_visible()
        look(page, "judging")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Your message")).to_be_visible()
        look(page, "going on")
        page.get_by_label("Your message").fill("")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Write a message first.")).to_be_visible()
        look(page, "refused")
    assert not found, "\n".join(found)


@pytest.fixture
def harmful(chat_campaign: Campaign) -> Campaign:
    chat_campaign.content_warnings = ["violence"]
    chat_campaign.exposure_cap = 2
    chat_campaign.save()
    return chat_campaign


def test_harmful_answers_are_covered_while_they_are_written_and_until_v(
    open_chat, harmful, alice, settings
):
    go_on = threading.Event()

    def script(body: dict[str, Any]) -> Iterator[str]:
        yield "This is harmful. "
        assert go_on.wait(30)
        yield f"It ends with {body['seed']}."

    page = open_chat(alice)
    expect(page.get_by_role("heading", name="Before you begin")).to_be_visible()
    page.keyboard.press("Enter")
    with answering(settings, script):
        expect(page.locator("[data-toggle=differ]")).to_be_visible()  # the page's script is there
        send(page, "Why?")
        expect(page.locator('[data-side="left"]')).to_contain_text("This is harmful.")
        expect(page.locator(".responses")).to_have_js_property("inert", True)
        assert not violations(page)
        page.keyboard.press("v")
        expect(page.locator(".responses")).to_have_js_property("inert", False)
        go_on.set()
        expect(to_judge(page)).to_be_focused()
        # Uncovered as it was while it was written: the same answers.
        expect(page.locator(".responses")).to_have_js_property("inert", False)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Your message")).to_be_focused()

        send(page, "And?")
        expect(to_judge(page)).to_be_focused()
        expect(page.locator(".responses")).to_have_js_property("inert", True)
        page.keyboard.press("1")
        expect(page.locator(".veil > summary")).to_be_focused()
        assert not page.locator("input[name=answer]:checked").count()
        page.keyboard.press("v")
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Enough of this for today")).to_be_focused()
        assert not violations(page)
    assert Judgment.objects.count() == 2


def test_what_is_typed_after_sending_is_not_taken_and_lost(open_chat, alice, settings):
    page = open_chat(alice)
    held: list[Route] = []
    with answering(settings):
        page.route("**/say/", lambda route: held.append(route))
        send(page, "Why?")
        while not held:
            page.wait_for_timeout(50)
        page.keyboard.type(" And when?")
        expect(page.get_by_label("Your message")).to_have_value("Why?")
        held[0].continue_()
        expect(to_judge(page)).to_be_focused()


def test_answers_that_come_leave_who_reads_the_guidelines_there(
    open_chat, alice, chat_campaign, settings
):
    chat_campaign.guidelines = "Be fair."
    chat_campaign.save()
    go_on = threading.Event()

    page = open_chat(alice)
    with answering(settings, ended_by(go_on)):
        send(page, "Why?")
        expect(page.locator("[data-side=left]")).to_have_text("It begins")
        summary = page.locator("#guidelines summary")
        summary.focus()
        go_on.set()
        expect(to_judge(page)).to_be_visible()
        expect(summary).to_be_focused()
        expect(page.locator("[data-announce]")).to_have_text("Both answers are finished.")
