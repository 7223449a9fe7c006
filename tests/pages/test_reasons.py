"""A campaign that wants reasons: the page asks before the answer leaves."""

import pytest
from playwright.sync_api import expect

from labeling.models import Judgment
from tests.cast import judge
from tests.pages.axe import audit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def asking(campaign, fill):
    campaign.rationale_from = 2
    campaign.save()
    fill(campaign, 4)
    return campaign


def test_the_page_asks_for_the_reason_before_it_shows_the_next_pair(open_work, alice, asking):
    page = open_work(alice, asking, ahead=1)
    before = page.locator("form.pair").get_attribute("action")
    needed = page.get_by_text("reason needed")
    page.keyboard.press("3")
    expect(needed).to_be_hidden()
    page.keyboard.press("1")
    expect(needed).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.get_by_label("Why?")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("needs a reason")
    expect(page.locator("form.pair")).to_have_attribute("action", before)
    found = audit(page)["violations"]
    assert not found, found
    page.keyboard.press("Control+Enter")
    expect(page.locator("form.pair")).to_have_attribute("action", before)

    page.keyboard.type("It answers the question.")
    expect(page.get_by_text("needs a reason here")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)
    expect(page.locator(".today")).to_have_text("1 judged today")
    assert Judgment.objects.get().rationale == "It answers the question."


def test_a_weak_preference_goes_with_two_keys_as_ever(open_work, alice, asking):
    page = open_work(alice, asking)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)


def test_changing_an_answer_asks_for_the_reason_too(open_work, alice, asking):
    given = judge(alice, asking)
    page = open_work(alice, asking)
    page.keyboard.press("u")
    expect(page.get_by_text("You are changing your answer")).to_be_visible()
    expect(page.get_by_role("button", name="Keys")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why?")).to_be_focused()
    page.keyboard.type("Read again.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Your answer is changed.")).to_be_visible()
    assert Judgment.objects.get(supersedes=given).rationale == "Read again."
