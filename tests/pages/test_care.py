"""Harmful content and breaks on the labeling page, by the keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Campaign, Judgment, Membership, Skip
from labeling.services.campaigns import add_members
from labeling.services.demonstrations import want_demonstrations
from labeling.services.prompts import store_prompts
from tests.cast import PASSWORD
from tests.pages.axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def harmful(campaign, fill):
    campaign.content_warnings = ["violence", "hate"]
    campaign.save()
    fill(campaign, 6)
    return campaign


@pytest.fixture
def begun(open_work, alice, harmful):
    """The page behind the warning, begun by the key."""
    page = open_work(alice, harmful)
    expect(page.get_by_role("heading", name="Before you begin")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("details.veil.blurs")).to_be_visible()
    # Once the next pairs are here, what follows an answer does not depend on the server's pace.
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", re.compile("[1-9]"))
    return page


def expect_in_reach(page: Page, reach: bool) -> None:
    expect(page.locator(".responses")).to_have_js_property("inert", not reach)


def test_axe_finds_nothing_on_the_warning_before_and_after_uncovering_and_in_the_settings(
    open_work, alice, harmful, live_server
):
    page = open_work(alice, harmful)
    assert not violations(page)
    page.keyboard.press("Enter")
    expect(page.locator("details.veil.blurs")).to_be_visible()
    assert not violations(page)
    page.keyboard.press("v")
    expect_in_reach(page, True)
    assert not violations(page)
    page.goto(f"{live_server.url}/label/settings/")
    expect(page.get_by_label("violence")).to_be_visible()
    assert not violations(page)


def test_responses_are_covered_until_v_and_so_is_the_next_pair(begun):
    page = begun
    expect_in_reach(page, False)
    assert page.locator(".on-left .prose").evaluate("p => getComputedStyle(p).filter") != "none"

    page.keyboard.press("v")
    expect_in_reach(page, True)
    assert page.locator(".on-left .prose").evaluate("p => getComputedStyle(p).filter") == "none"
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)
    expect(page.locator(".today")).to_have_text("1 judged today")
    expect_in_reach(page, False)
    assert Judgment.objects.count() == 1


def test_a_pair_is_not_judged_unseen_and_the_keys_lead_to_what_shows_it(begun):
    page = begun
    page.keyboard.press("1")
    expect(page.locator(".veil > summary")).to_be_focused()
    assert page.locator("input[name=answer]:checked").count() == 0
    page.locator("form.pair").focus()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".veil > summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect_in_reach(page, True)
    page.keyboard.press("v")
    expect_in_reach(page, False)


def test_a_pair_is_skipped_without_having_been_seen(begun):
    page = begun
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("s")
    page.keyboard.type("Harm")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Skip this pair").focus()
    with page.expect_response("**/label/skips/*/"):
        page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)
    assert Skip.objects.get().reason == "harmful"


def test_the_limit_is_said_in_the_place_of_the_next_pair(open_work, alice, harmful):
    harmful.exposure_cap = 2
    harmful.save()
    page = open_work(alice, harmful)
    page.keyboard.press("Enter")
    # Keys count from when the page can take them: the second pair has been read ahead by then.
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "1")
    for _ in range(2):
        expect(page.locator("details.veil.blurs:not([open])")).to_be_visible()
        before = page.locator("form.pair").get_attribute("action")
        page.keyboard.press("v")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator(f'form.pair[action="{before}"]')).to_have_count(0)
    expect(page.get_by_role("heading", name="Enough of this for today")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("as many pairs with such content today")
    assert not violations(page)
    assert Assignment.objects.filter(labeler=alice).count() == 2


def test_a_labeler_opts_out_by_the_keyboard(open_work, alice, harmful):
    page = open_work(alice, harmful)
    page.locator("#pair").get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    page.get_by_label("violence").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved. What you opted out of goes to others.")).to_be_visible()
    expect(page.get_by_label("violence")).to_be_checked()
    assert [row.category for row in alice.opt_outs.all()] == ["violence"]


def test_without_javascript_the_responses_are_opened_by_hand(browser, live_server, alice, harmful):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/accounts/login/?next=/label/{harmful.pk}/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Begin").click()
    expect(page.locator(".responses")).to_be_hidden()
    page.get_by_text("Show the responses").click()
    expect(page.locator(".responses")).to_be_visible()
    page.locator("form.pair").get_by_label("Left is slightly better").check()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Show the responses")).to_be_visible()
    expect(page.locator(".responses")).to_be_hidden()
    assert Judgment.objects.count() == 1
    context.close()


# Breaks ------------------------------------------------------------------------------------------

MINUTE = 60_000  # milliseconds


def work_for(page: Page, minutes: int) -> None:
    """So much time of the page's own clock passes, with a sign of the labeler in each minute."""
    for _ in range(minutes):
        page.keyboard.press("Shift")
        page.clock.run_for(MINUTE)


@pytest.fixture
def on_the_clock(page, open_work, alice, campaign, fill):
    campaign.break_after = 20
    campaign.save()
    fill(campaign, 6)
    page.clock.install()
    return open_work(alice, campaign)


def test_a_break_is_suggested_after_so_much_attention_over_pairs_and_reloads(on_the_clock):
    page = on_the_clock
    reminder = page.get_by_text("A break of five minutes")
    work_for(page, 12)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before or "")
    work_for(page, 4)
    page.reload()
    expect(page.locator("[data-toggle=differ]")).to_be_visible()
    work_for(page, 3)
    expect(reminder).to_be_hidden()
    work_for(page, 2)
    expect(reminder).to_be_visible()


def test_who_writes_is_reminded_of_breaks_too(page, sign_in, live_server, alice, policy):
    campaign = Campaign.objects.create(
        name="Ideal answers",
        kind=Campaign.Kind.DEMONSTRATION,
        status=Campaign.Status.OPEN,
        break_after=20,
    )
    add_members(campaign=campaign, users=[alice], role=Membership.Role.LABELER)
    prompts = store_prompts([([{"role": "user", "content": "Why?"}], "")])
    want_demonstrations(campaign=campaign, prompts=prompts, offers={})
    page.clock.install()
    sign_in(alice)
    page.goto(f"{live_server.url}/label/{campaign.pk}/write/")
    expect(page.locator("form.pair")).to_be_visible()
    work_for(page, 19)
    expect(page.get_by_text("A break of five minutes")).to_be_hidden()
    work_for(page, 2)
    expect(page.get_by_text("A break of five minutes")).to_be_visible()


def test_the_reminder_waits_ten_minutes_when_asked_to_and_a_break_ends_it(on_the_clock):
    page = on_the_clock
    reminder = page.get_by_text("A break of five minutes")
    work_for(page, 21)
    page.get_by_role("button", name="In ten minutes").focus()
    page.keyboard.press("Enter")
    expect(reminder).to_be_hidden()
    expect(page.locator("form.pair")).to_be_focused()
    work_for(page, 11)
    expect(reminder).to_be_visible()
    page.clock.run_for(6 * MINUTE)  # nobody is there
    expect(reminder).to_be_hidden()
    work_for(page, 18)
    expect(reminder).to_be_hidden()
    work_for(page, 3)
    expect(reminder).to_be_visible()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_reminder_does_not_move_where_motion_is_not_wanted(on_the_clock, motion):
    page = on_the_clock
    page.emulate_media(reduced_motion=motion)
    work_for(page, 21)
    animation = page.locator(".notice.break").evaluate("n => getComputedStyle(n).animationName")
    assert animation == ("none" if motion == "reduce" else "arrive")
    page.emulate_media(reduced_motion="reduce")
    assert not violations(page)
