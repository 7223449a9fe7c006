"""Reviewing in a browser: by keys, as one labels."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from labeling.models import Campaign, Membership, Ranking, ReviewItem
from labeling.selectors.reviews import decisions
from labeling.services.campaigns import add_members
from labeling.services.reviews import fill_queue
from tests.cast import group, judge, person, rank
from tests.pages.axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_review(live_server, sign_in):
    """Opens what waits in a campaign on which two labelers differ, as a reviewer."""

    def enter(campaign):
        rita = person("rita")
        add_members(campaign=campaign, users=[rita], role=Membership.Role.REVIEWER)
        fill_queue(campaign, "person")
        page = sign_in(rita)
        item = ReviewItem.objects.get(campaign=campaign)
        page.goto(live_server.url + reverse("labeling:review", args=[item.pk]))
        return page

    return enter


def asked_twice(campaign):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    return campaign


def test_a_pair_is_decided_by_keys(open_review, campaign, fill, alice, bob):
    asked_twice(campaign)
    fill(campaign, 1)
    judge(alice, campaign, -1)
    judge(bob, campaign, 1)
    page = open_review(campaign)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Decided")).to_be_visible()
    judgment = decisions(campaign).get()
    assert abs(judgment.preference) == 1
    assert judgment.seconds is not None


def test_a_group_is_put_in_order_by_keys(open_review, ranked, policy, alice, bob):
    asked_twice(ranked)
    group(ranked, policy, "Which?", ["Paris.", "Lyon.", "Rome."])
    rank(alice, ranked, [1, 2, 3])
    rank(bob, ranked, [3, 2, 1])
    page = open_review(ranked)
    expect(page.locator(".moves").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("c")
    page.keyboard.press("1")
    expect(page.locator(".ranking.placed")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="C > A > B you, in review")).to_be_visible()
    assert violations(page) == []
    assert Ranking.objects.filter(judgment__purpose="review").count() == 1
