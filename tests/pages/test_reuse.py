"""An answer that came too late, used again from the page by the keyboard."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from labeling.models import Assignment, Judgment
from labeling.services.assignments import claim_next, release
from tests.pages.axe import audit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_answer_that_lost_its_pair_is_used_again_once_the_pair_is_free(
    open_work, alice, bob, campaign, fill
):
    fill(campaign)
    page = open_work(alice, campaign)
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "0")
    Assignment.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
    taken = claim_next(labeler=bob, campaign=campaign, now=timezone.now())
    page.keyboard.press("1")
    page.keyboard.press("Enter")

    again = page.get_by_role("button", name="Use this answer again")
    expect(again).to_be_visible()
    assert not audit(page)["violations"]
    again.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no further opinion is wanted")
    expect(again).to_be_focused()

    release(assignment=taken, labeler=bob, now=timezone.now())
    page.reload()
    again.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-refused]")).to_have_count(0)
    assert abs(Judgment.objects.get().preference) == 3
    page.reload()
    expect(page.locator("[data-toggle=differ]")).to_be_visible()
    expect(page.locator("[data-refused]")).to_have_count(0)
