"""Before launch: what a goal needs. During: what the next labels are worth, and when to stop."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import AuditEvent, Policy, Report, Response
from labeling.selectors.meetings import meeting_figures
from labeling.services.comparisons import create_comparisons
from labeling.services.reports import compute
from labeling.statistics.planning import half_width
from rlhf.selectors.planning import measured_curve, meetings
from rlhf.services.stop_rules import apply, reason_to_stop, set_stop_rule
from tests.cast import ask, frozen, judge, trained

NOW = timezone.now()


@pytest.fixture
def owl(db):
    return Policy.objects.create(name="owl", version=0, checkpoint="/models/owl")


def met(campaign, one, other, count, start=0):
    pairs = []
    for n in range(start, start + count):
        prompt = ask(f"Question {n}?")
        first, second = (
            Response.objects.create(prompt=prompt, policy=policy, text=f"{policy} to {n}")
            for policy in ((one, other) if n % 2 else (other, one))
        )
        pairs.append((first, second))
    create_comparisons(campaign=campaign, pairs=pairs)


def count_anew(campaign):
    report = Report.objects.create(campaign=campaign, subject="meetings", judges="person")
    assert report.claim(timezone.now())
    compute(report)


def curve(campaign, policy, pairs=400, doubling=0.02):
    points = [{"pairs": pairs, "accuracy": 0.66, "spread": 0.0}]
    measured = {"points": points, "doubling": doubling, "doubling_se": 0.004}
    return trained(
        campaign,
        policy,
        snapshot=frozen(campaign, train_pairs=pairs, test_pairs=60),
        figures={"report": {"learning_curve": measured}},
    )


def page_of(client, campaign, **asked):
    return client.get(reverse("rlhf:planner", args=[campaign.pk]), asked)


class TestBeforeLaunch:
    def test_pairs_cost_and_days_of_a_win_rate(self, client, campaign, carol):
        campaign.price, campaign.budget = Decimal("0.50"), Decimal(100)
        campaign.save()
        client.force_login(carol)
        page = page_of(client, campaign, width=5, rate=50, meetings=1, price=0.5, a_day=100)
        one, two, *_ = page.context["rows"]
        assert (one.need.pairs, one.cost, one.days) == (381, Decimal("190.5"), 4)
        assert (one.beyond, one.chosen) == (True, True)
        assert two.need.pairs < 381 < two.need.judgments  # 0.45 alike
        assert "over budget" in page.content.decode()

    def test_several_win_rates_need_as_many_times_the_pairs(self, client, campaign, carol):
        client.force_login(carol)
        page = page_of(client, campaign, width=5, rate=50, meetings=3)
        assert page.context["rows"][0].need.pairs == 3 * 381
        assert page.context["rows"][0].cost is None

    def test_an_accuracy_by_the_curve_of_a_reward_model(self, client, campaign, carol, policy):
        client.force_login(carol)
        page = page_of(client, campaign, accuracy=70)
        assert page.context["labels"] is None
        assert "No reward model has a learning curve yet" in page.content.decode()
        curve(campaign, policy)
        labels = page_of(client, campaign, accuracy=70).context["labels"]
        assert labels["row"].need.pairs == 1600  # two doublings of 400
        assert labels["fewest"] < 1600 < labels["most"]

    def test_an_accuracy_out_of_reach_is_called_that(self, client, campaign, carol, policy):
        curve(campaign, policy, doubling=-0.001)
        client.force_login(carol)
        page = page_of(client, campaign, accuracy=70)
        assert page.context["labels"]["row"] is None
        assert "more labels do not lead to" in page.content.decode()

    def test_what_can_not_be_wanted_is_said(self, client, campaign, carol):
        client.force_login(carol)
        assert page_of(client, campaign, width=0).status_code == 422


class TestDuring:
    def test_meetings_are_counted_whatever_the_order_of_the_pair(
        self, campaign, policy, owl, alice
    ):
        met(campaign, policy, owl, 6)
        for preference in (-1, -1, -1, 1, 0, 1):
            judge(alice, campaign, preference, equal="" if preference else "tie")
        wins = 0
        for comparison in campaign.comparisons.all():
            vote = comparison.judgments.get().preference
            better = comparison.first if vote < 0 else comparison.second
            wins += vote != 0 and better.policy == policy
        [found] = meeting_figures(campaign, "person")["meetings"]
        assert found == {
            "one": policy.pk,
            "other": owl.pk,
            "judgments": 6,
            "pairs": 6,
            "wins": wins,
            "ties": 1,
        }

    def test_the_next_labels_narrow_the_interval(self, campaign, policy, owl, alice):
        met(campaign, policy, owl, 20)
        for _ in range(20):
            judge(alice, campaign, -1)
        count_anew(campaign)
        [found] = meetings(campaign, 0.45)
        assert found.width == pytest.approx(half_width(found.share, 20))
        assert found.width_then == pytest.approx(half_width(found.share, 120))

    def test_the_curve_of_another_campaign_is_no_own_one(self, campaign, policy, db):
        run = curve(campaign, policy)
        found = measured_curve(campaign)
        assert (found.run, found.own(campaign)) == (run, True)
        other = type(campaign).objects.create(name="Another")
        assert not measured_curve(other).own(other)


class TestStopRule:
    def test_a_campaign_pauses_once_win_rates_are_known_well_enough(
        self, campaign, policy, owl, alice, carol
    ):
        met(campaign, policy, owl, 12)
        set_stop_rule(campaign=campaign, width=0.3, gain=None, by=carol)
        judge(alice, campaign, -1)
        assert apply(now=NOW) == 0
        for _ in range(11):
            judge(alice, campaign, -1)
        assert apply(now=NOW) == 1
        campaign.refresh_from_db()
        assert (campaign.status, campaign.stop_width) == ("paused", None)
        event = AuditEvent.objects.get(act="campaign.stopped")
        assert "known to within" in event.details["reason"]
        assert event.details["stop_width"] == 0.3

    def test_a_campaign_pauses_once_labels_add_too_little_accuracy(self, campaign, policy, carol):
        curve(campaign, policy)  # 100 more than 400: 0.02 * log2(1.25) = 0.0064
        campaign = set_stop_rule(campaign=campaign, width=None, gain=0.006, by=carol)
        assert reason_to_stop(campaign) is None
        campaign = set_stop_rule(campaign=campaign, width=None, gain=0.007, by=carol)
        assert "0.64 points" in reason_to_stop(campaign)

    def test_a_curve_of_another_campaign_stops_nothing(self, campaign, policy, carol):
        other = type(campaign).objects.create(name="Another")
        curve(other, policy, doubling=0.0001)
        campaign = set_stop_rule(campaign=campaign, width=None, gain=0.5, by=carol)
        assert reason_to_stop(campaign) is None

    def test_a_manager_sets_it_on_the_page(self, client, campaign, carol):
        client.force_login(carol)
        address = reverse("rlhf:planner_stop", args=[campaign.pk])
        client.post(address, {"stop_width": "4", "stop_gain": ""})
        campaign.refresh_from_db()
        assert (campaign.stop_width, campaign.stop_gain) == (0.04, None)
        assert client.post(address, {"stop_width": "80"}).status_code == 422
        event = AuditEvent.objects.get(act="campaign.rule_set")
        assert event.details == {"stop_width": [None, 0.04]}
