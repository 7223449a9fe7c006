"""The pages on progress and cost: what they say comes from tallies and open slots."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.dashboards.progress import in_words
from labeling.models import Campaign
from labeling.selectors.tallies import (
    Work,
    answers_given,
    answers_open,
    recent_answers,
    work_by_labeler,
)
from labeling.statistics.forecast import Forecast
from tests.cast import judge


@pytest.fixture
def week(campaign, fill, alice, bob):
    """Two answers a day for five days until yesterday, at 0.50 each, of twenty."""
    Campaign.objects.filter(pk=campaign.pk).update(price=Decimal("0.50"), budget=Decimal(8))
    campaign.refresh_from_db()
    fill(campaign, 20)
    for back in range(5, 0, -1):
        for who in (alice, bob):
            judge(who, campaign, now=timezone.now() - timedelta(days=back))
    return campaign


def page(campaign, name):
    return reverse("labeling:dashboard", args=[campaign.pk, name])


def test_what_is_given_and_open_makes_what_is_wanted(week, alice, bob):
    assert (answers_given(week), answers_open(week)) == (10, 10)
    found = work_by_labeler(week, "person")
    assert {who: work.answers for who, work in found.items()} == {alice.pk: 5, bob.pk: 5}
    assert sum(work.cost for work in found.values()) == 5


def test_the_page_says_how_far_it_is_and_when_it_ends(week, client, carol):
    client.force_login(carol)
    shown = client.get(page(week, "progress")).text
    assert "10 of 20 answers are given." in shown
    assert "the end is on" in shown
    assert "alice" in shown


def test_the_page_says_what_it_cost_and_will_and_that_it_is_over_budget(week, client, carol):
    client.force_login(carol)
    shown = client.get(page(week, "cost")).text
    assert "5.00 so far." in shown
    assert "all of it costs 10.00" in shown
    assert "2.00 more than the budget of 8.00" in shown


def test_without_a_price_or_an_answer_the_pages_say_what_to_do(campaign, client, carol):
    client.force_login(carol)
    assert "set a price" in client.get(page(campaign, "cost")).text
    assert "invite labelers" in client.get(page(campaign, "progress")).text


def test_what_is_always_now_is_not_computed_in_the_background(campaign, client, carol):
    client.force_login(carol)
    address = reverse("labeling:dashboard_compute", args=[campaign.pk, "cost"])
    assert client.post(address).status_code == 404


def test_every_table_is_a_csv_file(week, client, carol):
    client.force_login(carol)
    for name, key in (("progress", "end"), ("progress", "by-labeler"), ("cost", "by-labeler")):
        address = reverse("labeling:dashboard_table", args=[week.pk, name, key])
        lines = client.get(address).getvalue().decode().splitlines()
        assert len(lines) == (6 if key == "end" else 3)


def test_the_pace_is_of_whole_days_with_those_of_rest():
    today = date(2026, 3, 10)
    work = Work(7, 1.0, Decimal(0))
    days = {date(2026, 3, 6): work, date(2026, 3, 8): work, today: work}
    assert recent_answers(days, today) == [7, 0, 7, 0]


def test_an_end_beyond_sight_is_said_to_be_so():
    slow = Forecast(a_day=0.01, days=100_000, soonest=50_000, latest=None)
    assert "not in sight" in in_words(1, 1000, slow, date(2026, 3, 10))
    wild = Forecast(a_day=10, days=100, soonest=40, latest=None)
    assert "differ too much" in in_words(1, 1000, wild, date(2026, 3, 10))
    assert "After two days of work" in in_words(1, 1000, None, date(2026, 3, 10))
