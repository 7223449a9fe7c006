"""Which policies meet, how often and sampled how: planned, shown, and followed by generation."""

from collections import Counter

import pytest
from django.db import IntegrityError, connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from labeling import errors
from labeling.models import AuditEvent, Campaign, CampaignPolicy, PlannedMeeting, Policy
from labeling.services.campaigns import clone_campaign
from labeling.services.pair_plans import enter, leave_out, plan_meeting
from labeling.services.prompts import store_prompts
from rlhf.models import ResponseRequest
from rlhf.selectors.pair_plans import planned_shares
from rlhf.services.generations import request_responses
from rlhf.services.wanted_responses import take_turns
from tests.rlhf.test_generations import by_seed, generate

NOW = timezone.now()


@pytest.fixture
def entrants(campaign, policy):
    owl = Policy.objects.create(name="owl", version=0, checkpoint="/models/owl")
    return [
        CampaignPolicy.objects.create(
            campaign=campaign, policy=each, responses=3, temperature=temperature
        )
        for each, temperature in ((policy, 0.7), (owl, 1.0))
    ]


def ask_about(count, category="facts"):
    return store_prompts(
        ([{"role": "user", "content": f"{category} {n}?"}], category) for n in range(count)
    )


def line(campaign, carol, one, other, **more):
    return plan_meeting(
        meeting=PlannedMeeting(campaign=campaign, one=one, other=other, **more), by=carol
    )


weights = st.dictionaries(st.sampled_from("abcde"), st.floats(0.1, 10), min_size=1)


@given(weights, st.integers(0, 60))
def test_turns_are_within_one_of_their_shares(shares, count):
    turns = Counter(take_turns(shares, {}, count))
    whole = sum(shares.values())
    assert turns.total() == count
    for name, weight in shares.items():
        assert abs(turns[name] - count * weight / whole) <= len(shares) - 1 or len(shares) == 1


def test_turns_that_were_had_before_count():
    assert Counter(take_turns({"a": 1, "b": 1}, {"a": 10}, 10)) == {"b": 10}


def test_each_line_gets_its_share_of_the_prompts_in_each_category(campaign, carol, entrants):
    one, other = entrants
    often, seldom = (line(campaign, carol, one, x, weight=w) for x, w in ((other, 3), (one, 1)))
    prompts = [*ask_about(40), *ask_about(20, "style")]
    request_responses(campaign=campaign, prompts=prompts)
    shares = {each.line: each.prompts for each in planned_shares(campaign)}
    assert shares == {often: 45, seldom: 15}
    for category, count in (("facts", 30), ("style", 15)):
        of_it = ResponseRequest.objects.filter(prompt__category=category, meeting=often)
        assert abs(of_it.values("prompt").distinct().count() - count) <= 1


def test_the_sides_of_a_line_meet_at_their_temperatures(campaign, carol, entrants, settings):
    one, other = entrants
    line(campaign, carol, one, other, one_temperature=0.2, pairs=2)
    assert request_responses(campaign=campaign, prompts=ask_about(2)) == 8
    generate(settings, by_seed, policies=["parrot-v0", "owl-v0"])
    assert campaign.comparisons.count() == 4
    for comparison in campaign.comparisons.all():
        sampled = {
            response.policy.name: response.sampling["temperature"]
            for response in (comparison.first, comparison.second)
        }
        assert sampled == {"parrot": 0.2, "owl": 1.0}


def test_a_policy_meets_itself_at_two_temperatures(campaign, carol, entrants, settings):
    one = entrants[0]
    line(campaign, carol, one, one, one_temperature=0.0, other_temperature=1.5, pairs=2)
    request_responses(campaign=campaign, prompts=ask_about(1))
    generate(settings, by_seed, policies=["parrot-v0"])
    pairs = [
        {c.first.sampling["temperature"], c.second.sampling["temperature"]}
        for c in campaign.comparisons.all()
    ]
    assert pairs == [{0.0, 1.5}] * 2


def test_a_line_that_is_left_out_gets_no_prompts_and_keeps_its_pairs(
    campaign, carol, entrants, settings
):
    one, other = entrants
    first = line(campaign, carol, one, one)
    request_responses(campaign=campaign, prompts=ask_about(2))
    leave_out(meeting=first, by=carol, now=NOW)
    line(campaign, carol, one, other)
    assert request_responses(campaign=campaign, prompts=ask_about(4)) == 4
    generate(settings, by_seed, policies=["parrot-v0", "owl-v0"])
    authors = Counter(
        frozenset((c.first.policy.name, c.second.policy.name)) for c in campaign.comparisons.all()
    )
    assert authors == {frozenset({"parrot"}): 2, frozenset({"parrot", "owl"}): 2}
    acts = AuditEvent.objects.filter(campaign=campaign, act__startswith="plan.")
    assert sorted(acts.values_list("act", flat=True)) == [
        *["plan.extended"] * 2,
        "plan.shortened",
    ]


def test_without_a_plan_everybody_meets_as_before(campaign, entrants):
    assert request_responses(campaign=campaign, prompts=ask_about(2)) == 2 * 6
    assert not ResponseRequest.objects.filter(meeting__isnull=False).exists()


def test_a_copy_of_a_campaign_has_its_plan(campaign, carol, entrants):
    line(campaign, carol, *entrants, weight=2)
    leave_out(meeting=line(campaign, carol, *entrants), by=carol, now=NOW)
    copy = clone_campaign(campaign=campaign, by=carol)
    [copied] = copy.planned_meetings.all()
    assert (copied.weight, copied.one.campaign, copied.one.policy) == (
        2,
        copy,
        entrants[0].policy,
    )


def test_only_who_takes_part_meets(campaign, entrants):
    stranger = CampaignPolicy.objects.create(
        campaign=Campaign.objects.create(name="Another"), policy=entrants[0].policy
    )
    PlannedMeeting.objects.create(campaign=campaign, one=stranger, other=entrants[0])
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_rankings_have_no_plan(ranked, carol, entrants):
    with pytest.raises(errors.NoPlanHere):
        line(ranked, carol, *entrants)


def test_a_policy_enters_once(campaign, carol, entrants):
    with pytest.raises(errors.TakesPartAlready):
        enter(entrant=CampaignPolicy(campaign=campaign, policy=entrants[0].policy), by=carol)


class TestPage:
    def test_a_manager_plans(self, client, campaign, carol, entrants):
        one, other = entrants
        client.force_login(carol)
        page = client.get(reverse("rlhf:plan", args=[campaign.pk])).content.decode()
        assert "There is no plan" in page
        sent = {
            "meeting-one": one.pk,
            "meeting-other": other.pk,
            "meeting-pairs": 1,
            "meeting-weight": 1,
            "meeting-one_temperature": "",
            "meeting-other_temperature": "0.5",
        }
        answer = client.post(reverse("rlhf:plan_add", args=[campaign.pk]), sent)
        assert answer.status_code == 302
        page = client.get(reverse("rlhf:plan", args=[campaign.pk])).content.decode()
        assert "0.7 – 0.5" in page
        part = client.get(reverse("rlhf:plan_part", args=[campaign.pk])).content.decode()
        assert "100 %" in part or "100%" in part
        client.post(reverse("rlhf:plan_leave_out", args=[campaign.planned_meetings.get().pk]))
        page = client.get(reverse("rlhf:plan", args=[campaign.pk])).content.decode()
        assert "There is no plan" in page

    def test_what_can_not_be_is_said_in_a_sentence(self, client, campaign, carol, entrants):
        client.force_login(carol)
        sent = {
            "meeting-one": entrants[0].pk,
            "meeting-other": entrants[1].pk,
            "meeting-pairs": 1,
            "meeting-weight": 0,
        }
        answer = client.post(reverse("rlhf:plan_add", args=[campaign.pk]), sent)
        assert answer.status_code == 422
        assert "has a share above 0" in answer.content.decode()

    def test_a_policy_is_let_in(self, client, campaign, carol, policy):
        client.force_login(carol)
        sent = {
            "entrant-policy": policy.pk,
            "entrant-responses": 2,
            "entrant-temperature": 1,
            "entrant-top_p": 1,
            "entrant-max_tokens": 64,
        }
        client.post(reverse("rlhf:plan_policy", args=[campaign.pk]), sent)
        assert campaign.entrants.get().max_tokens == 64
        assert AuditEvent.objects.get(act="policy.entered").campaign == campaign
