"""Skipping a pair and changing one's mind, by the keyboard alone."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Judgment, Skip
from tests.cast import judge
from tests.pages.drafts import drafts, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def keys_are_on(page: Page) -> None:
    """The module that listens to keys shows this button when it has come."""
    expect(page.get_by_role("button", name="Keys")).to_be_visible()


def test_s_skips_a_pair_with_a_reason_and_the_next_one_comes(open_work, alice, campaign, fill):
    fill(campaign, 2)
    page = open_work(alice, campaign)
    before = page.locator("form.pair").get_attribute("action")

    page.keyboard.press("s")
    expect(page.get_by_role("combobox", name="Reason to skip")).to_be_focused()
    page.keyboard.type("Wrong")
    page.keyboard.press("Tab")
    page.keyboard.type("1 is Dutch, sent by Enter")  # neither digits nor letters are commands here
    with page.expect_response("**/label/skips/*/"):
        page.keyboard.press("Enter")

    expect(page.locator("form.pair")).not_to_have_attribute("action", before)
    expect(page.locator("form.pair")).to_be_focused()
    kept = Skip.objects.get()
    assert (kept.reason, kept.note) == ("wrong_language", "1 is Dutch, sent by Enter")
    assert not Judgment.objects.exists()


def test_escape_leaves_the_skip_unsent(open_work, alice, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Skip this pair")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("input[name=answer]:checked")).to_have_value("-3")
    assert Assignment.objects.get().labeler == alice


def test_u_leads_back_to_the_last_answer_and_enter_saves_it_changed(
    open_work, alice, campaign, fill
):
    fill(campaign, 2)
    page = open_work(alice, campaign)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)
    held = page.locator("form.pair").get_attribute("action")
    expect(page.locator(".today")).to_have_text("1 judged today")

    page.keyboard.press("u")
    expect(page.get_by_text("You are changing your answer")).to_be_visible()
    keys_are_on(page)
    expect(page.locator("input[name=answer]:checked")).to_have_value("-2")
    page.keyboard.press("t")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Your answer is changed.")).to_be_visible()
    expect(page.locator("form.pair")).to_have_attribute("action", held)
    assert Judgment.objects.get(superseded_by=None).equal == "tie"
    assert Judgment.objects.count() == 2


def test_the_last_answer_is_taken_back_from_the_page_that_changes_it(
    open_work, alice, campaign, fill
):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    page.keyboard.press("u")
    page.get_by_role("button", name="Take back").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("someone else judges that pair")).to_be_visible()
    assert Judgment.objects.filter(retracted=True).count() == 1


def test_an_answer_is_changed_from_the_history_by_the_keyboard(
    open_work, live_server, alice, campaign, fill
):
    fill(campaign)
    given = judge(alice, campaign)
    page = open_work(alice, campaign)
    page.get_by_role("link", name="History").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Change Question 0?").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are changing your answer")).to_be_visible()
    keys_are_on(page)
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your answer is changed.")).to_be_visible()
    expect(page.get_by_role("cell", name="Tie (changed)")).to_be_visible()
    assert Judgment.objects.get(supersedes=given).equal == "tie"


def test_a_change_that_was_not_saved_is_back_after_a_crash_until_it_is_saved_or_left(
    sign_in, live_server, alice, campaign, fill
):
    fill(campaign)
    judgment = judge(alice, campaign, preference=-2)
    page = sign_in(alice)
    address = live_server.url + reverse("labeling:change_answer", args=[judgment.pk])
    page.goto(address)
    keys_are_on(page)
    chosen = page.locator("input[name=answer]:checked")
    given = chosen.input_value()
    page.keyboard.press("6")
    page.keyboard.press("r")
    page.keyboard.type("On second thoughts")
    wait_until_saved(page)

    page.reload()
    expect(
        page.get_by_text("What you changed before and did not save is here again.")
    ).to_be_visible()
    expect(chosen).to_have_value("3")
    expect(page.locator("[name=rationale]")).to_have_value("On second thoughts")
    page.get_by_role("link", name="Leave as it was").click()
    page.goto(address)
    keys_are_on(page)
    expect(chosen).to_have_value(given)
    assert drafts(page) == 0

    page.keyboard.press("1")
    wait_until_saved(page)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your answer is changed.")).to_be_visible()
    assert abs(Judgment.objects.get(supersedes=judgment).preference) == 3
    page.goto(address)
    expect(page.get_by_text("This answer stays as it is")).to_be_visible()
