"""Answers that are given while the server is away, and pairs that are read ahead."""

import re
import time

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from labeling.models import Assignment, Campaign, Judgment, Membership, Skip, User
from labeling.services.assignments import MOST_HELD, claim_next
from tests.pages.axe import violations
from tests.pages.cable import Cable, cable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def held(who: User) -> int:
    return Assignment.objects.filter(labeler=who, answered_at=None).count()


def answer(page: Page, key: str = "1") -> None:
    """One answer by keyboard; the next pair must be there by itself."""
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before or "")


def test_twenty_answers_given_without_a_network_are_stored_once_each(
    open_work, alice, campaign, fill, context
):
    fill(campaign, 30)
    page = open_work(alice, campaign, ahead=MOST_HELD - 1)
    context.set_offline(True)
    for number in range(20):
        answer(page, "16"[number % 2])
    expect(page.get_by_text("Waiting for the server.")).to_be_visible()
    expect(page.locator("[data-count]")).to_have_text("20")
    assert not Judgment.objects.exists()

    context.set_offline(False)
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden(timeout=30_000)
    assert Judgment.objects.count() == 20
    assert Judgment.objects.values("assignment").distinct().count() == 20
    assert {abs(judgment.preference) for judgment in Judgment.objects.all()} == {3}


def open_through(laid: Cable, page: Page, campaign: Campaign, ahead: int) -> Page:
    page.goto(laid.url + reverse("labeling:work", args=[campaign.pk]))
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", str(ahead))
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    return page


def kept_pages(page: Page) -> list[str]:
    return page.evaluate(
        "caches.open('accord-pages').then(cache => cache.keys()).then(all => all.map(r => r.url))"
    )


@pytest.mark.slow
def test_a_server_that_is_away_for_half_a_minute_costs_none_of_twenty_answers(
    live_server, sign_in, alice, campaign, fill
):
    fill(campaign, 30)
    with cable(live_server.url) as laid:
        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        began = time.monotonic()
        laid.cut()
        for number in range(20):
            page.wait_for_timeout(max(0, 1500 * number - 1000 * (time.monotonic() - began)))
            answer(page, "16"[number % 2])
        page.wait_for_timeout(max(0, 30_500 - 1000 * (time.monotonic() - began)))
        assert time.monotonic() - began >= 30
        assert not Judgment.objects.exists()

        laid.mend()
        expect(page.get_by_text("Waiting for the server.")).to_be_hidden(timeout=30_000)
        assert Judgment.objects.count() == 20
        assert Judgment.objects.values("assignment").distinct().count() == 20
        page.goto("about:blank")


def test_a_reload_without_a_server_shows_the_pairs_read_ahead_and_the_answers_waiting(
    live_server, sign_in, alice, campaign, fill
):
    fill(campaign, 30)
    with cable(live_server.url) as laid:
        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        answer(page)  # stored: the page that is kept shows a pair that needs no answer any more
        expect(page.locator(".today")).to_have_text("1 judged today")
        laid.cut()
        answer(page)
        expect(page.locator("[data-count]")).to_have_text("1")
        shown = page.locator("form.pair").get_attribute("data-assignment")

        page.reload()
        expect(page.locator("form.pair[data-state=ready]")).to_have_attribute(
            "data-assignment", shown or ""
        )
        expect(page.locator("[data-count]")).to_have_text("1")
        for _ in range(3):
            answer(page, "6")
        expect(page.locator("[data-count]")).to_have_text("4")

        laid.mend()
        expect(page.get_by_text("Waiting for the server.")).to_be_hidden(timeout=30_000)
        assert Judgment.objects.count() == 5
        assert Judgment.objects.values("assignment").distinct().count() == 5
        page.goto("about:blank")


def test_another_page_without_a_server_says_so_and_leads_back_and_on(
    live_server, sign_in, alice, campaign, fill
):
    fill(campaign, 30)
    with cable(live_server.url) as laid:
        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        answer(page)
        expect(page.locator(".today")).to_have_text("1 judged today")
        page.reload()
        expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", str(MOST_HELD - 1))
        laid.cut()
        page.keyboard.press("u")
        expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
        assert not violations(page)

        page.get_by_role("link", name="Go on with the pairs that are here").click()
        expect(page.locator("form.pair[data-state=ready]")).to_be_visible()
        answer(page)
        page.goto(laid.url + reverse("labeling:history"))
        expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
        laid.mend()
        expect(page.get_by_role("heading", name="History")).to_be_visible()
        page.goto("about:blank")


def test_a_page_without_work_looks_again_by_itself(page, open_work, sign_in, alice, campaign, fill):
    page.clock.install()
    page = open_work(alice, campaign)
    expect(page.get_by_text("No pair is waiting for you here")).to_be_visible()
    fill(campaign, 2)
    page.clock.fast_forward(19_000)
    expect(page.get_by_text("No pair is waiting for you here")).to_be_visible()
    page.clock.fast_forward(2_000)
    expect(page.locator("form.pair[data-state=ready]")).to_be_focused()
    answer(page)
    expect(page.locator(".today")).to_have_text("1 judged today")


def test_signing_out_or_another_person_leaves_no_page_behind(
    live_server, sign_in, alice, bob, campaign, fill
):
    fill(campaign, 30)
    with cable(live_server.url) as laid:
        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        page.reload()
        expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", str(MOST_HELD - 1))
        assert kept_pages(page) == [page.url]
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Username")).to_be_visible()
        assert kept_pages(page) == []

        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        page.reload()
        expect(page.locator("form.pair")).to_be_visible()
        sign_in(bob)
        page.goto(laid.url + reverse("labeling:history"))
        expect(page.get_by_role("heading", name="History")).to_be_visible()
        assert kept_pages(page) == []
        page.goto("about:blank")


def test_waiting_answers_survive_a_reload_and_are_not_asked_again(
    page, open_work, alice, campaign, fill, context
):
    fill(campaign, 30)
    page.route("**/label/answers/**", lambda route: route.abort())
    open_work(alice, campaign, ahead=MOST_HELD - 1)
    for _ in range(3):
        answer(page)
    expect(page.locator("[data-count]")).to_have_text("3")

    page.reload()
    expect(page.locator("[data-count]")).to_have_text("3")
    answered = list(Assignment.objects.order_by("id").values_list("pk", flat=True)[:3])
    expect(page.locator("form.pair[data-state=ready]")).to_be_visible()
    assert int(page.locator("form.pair").get_attribute("data-assignment")) not in answered

    page.unroute("**/label/answers/**")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden()
    assert sorted(Judgment.objects.values_list("assignment", flat=True)) == answered


def test_an_answer_whose_confirmation_was_lost_is_stored_once(
    page, open_work, alice, campaign, fill
):
    fill(campaign, 30)
    lost = []

    def lose(route: Route) -> None:
        """Every answer reaches the server, but its confirmation is lost the time it is new."""
        if route.request.post_data in lost:
            route.continue_()
        else:
            lost.append(route.request.post_data)
            route.fetch()
            route.abort()

    page.route("**/label/answers/**", lose)
    open_work(alice, campaign, ahead=MOST_HELD - 1)
    for _ in range(2):
        answer(page)
    expect(page.get_by_text("Waiting for the server.")).to_be_visible()
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden(timeout=15_000)
    assert Judgment.objects.count() == 2


def test_an_answer_that_is_refused_later_is_shown_with_what_was_answered(
    open_work, alice, bob, campaign, fill, context
):
    fill(campaign, 4)
    page = open_work(alice, campaign, ahead=2)
    context.set_offline(True)
    page.keyboard.press("r")
    page.keyboard.type("the first line")
    page.keyboard.press("Escape")
    page.locator("form.pair").focus()
    answer(page, "6")
    Assignment.objects.filter(labeler=alice).update(leased_until=timezone.now())
    assert claim_next(labeler=bob, campaign=campaign, now=timezone.now())
    context.set_offline(False)

    expect(page.get_by_role("alert")).to_have_text(
        "Your time on this comparison ran out, so it went to someone else."
    )
    expect(page.locator("[data-refused] [data-words]")).to_have_text("Right is much better")
    expect(page.locator("[data-refused] q")).to_have_text("the first line")
    page.reload()
    expect(page.locator("[data-refused] [data-words]")).to_have_text("Right is much better")
    page.get_by_role("button", name="Dismiss").click()
    page.reload()
    expect(page.locator("form.pair")).to_be_visible()
    expect(page.locator("[data-refused]")).to_have_count(0)
    assert not Judgment.objects.exists()


def test_a_pair_is_skipped_without_a_network_and_the_skip_stored_once(
    open_work, alice, campaign, fill, context
):
    fill(campaign, 30)
    page = open_work(alice, campaign, ahead=MOST_HELD - 1)
    first = page.locator("form.pair").get_attribute("data-assignment")
    context.set_offline(True)
    page.keyboard.press("s")
    page.keyboard.type("Wrong")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("data-assignment", first or "")
    expect(page.locator("[data-count]")).to_have_text("1")
    answer(page)
    expect(page.locator("[data-count]")).to_have_text("2")
    context.set_offline(False)
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden(timeout=30_000)
    skip = Skip.objects.get()
    assert (skip.assignment_id, skip.reason) == (int(first or 0), "wrong_language")
    assert Judgment.objects.count() == 1


def test_a_skip_that_is_refused_is_shown_with_its_reason(open_work, alice, bob, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "0")
    Assignment.objects.update(leased_until=timezone.now())
    assert claim_next(labeler=bob, campaign=campaign, now=timezone.now())
    page.keyboard.press("s")
    page.keyboard.press("Tab")
    page.keyboard.type("Which moon?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "Your time on this comparison ran out, so it went to someone else."
    )
    expect(page.locator("[data-refused] [data-words]")).to_contain_text("Reason to skip: ")
    expect(page.locator("[data-refused] q")).to_have_text("Which moon?")
    assert not Skip.objects.exists()


def test_the_next_pair_is_there_before_the_server_has_the_answer(
    page, open_work, alice, campaign, fill
):
    fill(campaign, 5)
    waiting: list[Route] = []
    page.route("**/label/answers/**", lambda route: waiting.append(route))
    open_work(alice, campaign, ahead=3)  # one is left to bob
    answer(page)
    answer(page)
    assert not Judgment.objects.exists()
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden()
    page.unroute("**/label/answers/**")
    expect(page.locator(".today")).to_have_text("2 judged today")
    assert Judgment.objects.count() == 2


def test_a_page_that_is_left_gives_back_what_it_read_ahead(open_work, alice, campaign, fill):
    fill(campaign, 10)
    page = open_work(alice, campaign, ahead=8)
    assert held(alice) == 9
    page.goto("about:blank")
    for _ in range(100):
        if held(alice) == 1:
            break
        page.wait_for_timeout(100)
    assert held(alice) == 1  # what was on the screen waits for its labeler


def test_the_answers_of_one_labeler_are_not_sent_by_the_next_on_the_same_machine(
    live_server, sign_in, alice, bob, campaign, fill
):
    fill(campaign, 30)
    with cable(live_server.url) as laid:
        page = open_through(laid, sign_in(alice), campaign, MOST_HELD - 1)
        laid.cut()
        answer(page)
        expect(page.get_by_text("Waiting for the server.")).to_be_visible()
        page.goto("about:blank")
        page.wait_for_timeout(500)  # a page that is being left may try once more
        laid.mend()

        page = sign_in(bob)
        page.goto(laid.url + reverse("labeling:work", args=[campaign.pk]))
        expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", re.compile("[1-9]"))
        page.wait_for_timeout(500)
        assert not Judgment.objects.exists()

        page = sign_in(alice)
        page.goto(laid.url + reverse("labeling:work", args=[campaign.pk]))
        expect(page.locator(".today")).to_have_text("1 judged today")
        assert Judgment.objects.get().labeler == alice


# Without a browser: what the addresses alone decide ----------------------------------------------


def test_a_stranger_takes_nothing_ahead_and_gives_nothing_back(client, mallory, campaign, fill):
    fill(campaign, 3)
    client.force_login(mallory)
    for name in ("ahead", "release"):
        assert client.post(reverse(f"labeling:{name}", args=[campaign.pk])).status_code == 404
    assert not Assignment.objects.exclude(labeler=None).exists()


@pytest.mark.parametrize(
    ("have", "want"), [("", "0"), ("", "25"), ("", "many"), ("1 x", "2"), ("1" * 19, "2")]
)
def test_nonsense_about_reading_ahead_is_refused(client, alice, campaign, fill, have, want):
    fill(campaign, 3)
    client.force_login(alice)
    address = reverse("labeling:ahead", args=[campaign.pk])
    response = client.post(address, {"have": have, "want": want})
    assert response.status_code == 422
    assert response.json()["refusal"]
    assert not Assignment.objects.exclude(labeler=None).exists()


def test_reading_ahead_sends_only_what_the_page_lacks(client, alice, campaign, fill):
    fill(campaign, 5)
    client.force_login(alice)
    address = reverse("labeling:ahead", args=[campaign.pk])
    given = client.post(address, {"have": "", "want": "2"}).json()
    again = client.post(address, {"have": str(given["held"][0]), "want": "3"}).json()
    assert again["held"][:2] == given["held"]
    assert [pair["id"] for pair in again["pairs"]] == again["held"][1:]
    assert campaign.memberships.filter(role=Membership.Role.LABELER).count() == 2
