"""Harmful content: warned of, opted out of, and not too much of it a day."""

import random
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.forms import CampaignForm
from labeling.models import Assignment, Campaign, Judgment, Membership, OptOut
from labeling.selectors.care import exposures
from labeling.services.assignments import claim_ahead, claim_next
from labeling.services.campaigns import add_members
from labeling.services.care import set_opt_outs
from labeling.services.comparisons import create_comparisons
from labeling.services.judgments import Answer, record_judgment
from labeling.services.prompts import store_prompts
from labeling.services.skips import skip_comparison
from labeling.simulation import SimulatedLabeler, Taste
from tests.cast import PASSWORD, judge, pair
from tests.threads import at_once

NOW = timezone.now()


@pytest.fixture
def harmful(campaign):
    campaign.content_warnings = ["violence", "hate"]
    campaign.save()
    return campaign


@pytest.fixture
def add_pair(policy):
    """Puts one comparison about a prompt of a category into a campaign; returns its slot."""

    def make(campaign, category):
        text = f"{category} {uuid.uuid4()}"
        prompt = store_prompts([([{"role": "user", "content": text}], category)])[0]
        [made] = create_comparisons(
            campaign=campaign, pairs=[pair(prompt, policy, "One answer.", "Another answer.")]
        )
        return made.assignments.get()

    return make


def all_for(labeler, campaign):
    return claim_ahead(labeler=labeler, campaign=campaign, at_most=24, now=NOW)


class TestOptOuts:
    def test_what_was_opted_out_of_goes_to_others_only(self, alice, bob, harmful, add_pair):
        Membership.objects.filter(user=bob).delete()  # nobody else to leave a pair for
        violent, hateful = add_pair(harmful, "violence"), add_pair(harmful, "hate")
        set_opt_outs(labeler=alice, categories=["violence"], now=NOW)
        assert all_for(alice, harmful) == [hateful]
        assert claim_next(labeler=bob, campaign=harmful, now=NOW) == violent

    def test_a_prompt_that_says_nothing_may_hold_all_that_the_campaign_warns_of(
        self, alice, harmful, add_pair
    ):
        add_pair(harmful, "")
        add_pair(harmful, "facts")
        set_opt_outs(labeler=alice, categories=["hate"], now=NOW)
        assert claim_next(labeler=alice, campaign=harmful, now=NOW) is None
        set_opt_outs(labeler=alice, categories=[], now=NOW)
        assert claim_next(labeler=alice, campaign=harmful, now=NOW)

    def test_a_category_of_prompts_is_kept_away_in_a_campaign_that_does_not_warn_of_it(
        self, alice, campaign, add_pair
    ):
        add_pair(campaign, "violence")
        facts = add_pair(campaign, "facts")
        set_opt_outs(labeler=alice, categories=["violence"], now=NOW)
        assert claim_next(labeler=alice, campaign=campaign, now=NOW) == facts

    def test_what_is_held_of_it_goes_back_at_once(self, alice, bob, harmful, add_pair):
        violent, hateful = add_pair(harmful, "violence"), add_pair(harmful, "hate")
        all_for(alice, harmful)
        claim_next(labeler=alice, campaign=harmful, now=NOW)
        assert Assignment.objects.get(pk=violent.pk).labeler == alice
        set_opt_outs(labeler=alice, categories=["violence"], now=NOW)
        assert Assignment.objects.get(pk=violent.pk).labeler is None
        assert claim_next(labeler=alice, campaign=harmful, now=NOW) == hateful

    def test_an_answer_that_was_given_stays(self, alice, harmful, add_pair):
        add_pair(harmful, "violence")
        given = judge(alice, harmful)
        set_opt_outs(labeler=alice, categories=["violence"], now=NOW)
        assert Assignment.objects.get(pk=given.assignment_id).labeler == alice

    def test_opting_out_twice_or_of_nothing_named_is_impossible(self, alice):
        set_opt_outs(labeler=alice, categories=["hate"], now=NOW)
        set_opt_outs(labeler=alice, categories=["hate"], now=NOW)
        assert OptOut.objects.count() == 1
        for category in ("hate", ""):
            with pytest.raises(IntegrityError), transaction.atomic():
                OptOut.objects.create(labeler=alice, category=category)


class TestSettings:
    @pytest.fixture
    def address(self, client, alice):
        client.force_login(alice)
        return reverse("labeling:settings")

    def test_only_content_of_ones_own_campaigns_is_offered(
        self, client, address, harmful, add_pair, carol
    ):
        add_pair(harmful, "self-harm")
        Campaign.objects.create(name="Elsewhere", content_warnings=["gore"], created_by=carol)
        form = client.get(address).context["form"]
        assert [value for value, _ in form.fields["categories"].choices] == [
            "hate",
            "self-harm",
            "violence",
        ]

    def test_what_is_ticked_is_opted_out_of_and_can_be_undone(
        self, client, address, alice, harmful
    ):
        client.post(address, {"categories": ["hate"]})
        assert [row.category for row in alice.opt_outs.all()] == ["hate"]
        assert "checked" in client.get(address).content.decode()
        client.post(address, {})
        assert not alice.opt_outs.exists()

    def test_nonsense_is_refused_with_a_sentence(self, client, address, harmful):
        response = client.post(address, {"categories": ["everything"]})
        assert response.status_code == 422
        assert "look at the list again" in response.content.decode()
        assert not OptOut.objects.exists()

    def test_who_has_nothing_to_opt_out_of_reads_when_that_changes(self, client, address, campaign):
        assert "There is nothing to opt out of" in client.get(address).content.decode()


class TestExposure:
    @pytest.fixture
    def capped(self, harmful, fill):
        harmful.exposure_cap = 3
        harmful.save()
        fill(harmful, 12)
        return harmful

    def test_a_labeler_gets_so_many_a_day_and_goes_on_tomorrow(self, alice, bob, capped):
        for _ in range(3):
            judge(alice, capped, now=NOW)
        with pytest.raises(errors.ExposureReached):
            claim_next(labeler=alice, campaign=capped, now=NOW)
        with pytest.raises(errors.ExposureReached):
            all_for(alice, capped)
        assert claim_next(labeler=bob, campaign=capped, now=NOW)
        assert claim_next(labeler=alice, campaign=capped, now=NOW + timedelta(days=1))

    def test_pairs_read_ahead_count_as_seen(self, alice, capped):
        judge(alice, capped, now=NOW)
        assert len(all_for(alice, capped)) == 2
        assert len(all_for(alice, capped)) == 2
        for _ in range(2):
            judge(alice, capped, now=NOW)
        with pytest.raises(errors.ExposureReached):
            claim_next(labeler=alice, campaign=capped, now=NOW)

    def test_skipped_pairs_count_as_seen(self, alice, capped):
        for _ in range(3):
            skip_comparison(
                assignment=claim_next(labeler=alice, campaign=capped, now=NOW),
                labeler=alice,
                reason="harmful",
                note="",
                client_key=uuid.uuid4(),
                now=NOW,
            )
        with pytest.raises(errors.ExposureReached):
            claim_next(labeler=alice, campaign=capped, now=NOW)

    def test_what_was_seen_in_other_such_campaigns_counts_and_harmless_pairs_do_not(
        self, alice, capped, fill, carol
    ):
        for name, warnings in (("Harmful too", ["gore"]), ("Harmless", [])):
            other = Campaign.objects.create(
                name=name, content_warnings=warnings, status="open", created_by=carol
            )
            fill(other, 2)
            judge(alice, other, now=NOW)
        assert exposures(alice, NOW - timedelta(hours=1)) == 1
        assert len(all_for(alice, capped)) == 2

    @pytest.mark.django_db(transaction=True)
    def test_tabs_that_ask_at_once_do_not_share_what_is_left(self, alice, capped):
        def label(_tab):
            for _ in range(3):
                claim_ahead(labeler=alice, campaign=capped, at_most=4, now=timezone.now())

        at_once(label, range(6))
        assert Assignment.objects.filter(labeler=alice).count() == 3

    def test_the_page_says_that_it_is_enough_and_what_to_do(self, client, alice, capped):
        for _ in range(3):
            judge(alice, capped)
        client.force_login(alice)
        client.post(reverse("labeling:begin", args=[capped.pk]))
        page = client.get(reverse("labeling:work", args=[capped.pk])).content.decode()
        assert "Enough of this for today" in page
        assert "Other campaigns" in page
        response = client.post(
            reverse("labeling:ahead", args=[capped.pk]), {"have": "", "want": "2"}
        )
        assert response.status_code == 409
        assert "as many pairs with such content today" in response.json()["refusal"]

    def test_a_limit_needs_content_that_is_warned_of(self, campaign):
        with pytest.raises(IntegrityError), transaction.atomic():
            Campaign.objects.update(exposure_cap=5)
        data = {"name": "X", "overlap": 1, "lease_minutes": 5, "strength": 2, "exposure_cap": 5}
        form = CampaignForm(data, instance=campaign)
        assert not form.is_valid()
        assert "name the content" in str(form.non_field_errors())
        form = CampaignForm({**data, "content_warnings": "gore, hate"}, instance=campaign)
        assert form.is_valid()
        assert form.save().content_warnings == ["gore", "hate"]


class TestTheWarning:
    @pytest.fixture
    def work(self, client, alice, harmful, fill):
        fill(harmful, 3)
        client.force_login(alice)
        return lambda: client.get(reverse("labeling:work", args=[harmful.pk]))

    def begin(self, client, campaign):
        return client.post(reverse("labeling:begin", args=[campaign.pk]))

    def test_it_stands_before_the_first_pair_and_nothing_is_leased_meanwhile(
        self, client, work, harmful
    ):
        page = work().content.decode()
        assert "this campaign shows harmful content" in page
        assert "violence, hate" in page
        assert "Answer one" not in page
        ahead = reverse("labeling:ahead", args=[harmful.pk])
        assert client.post(ahead, {"have": "", "want": "2"}).status_code == 409
        assert not Assignment.objects.exclude(labeler=None).exists()

    def test_once_read_it_holds_for_the_sitting_and_no_longer(
        self, client, work, harmful, monkeypatch
    ):
        self.begin(client, harmful)
        for _ in range(2):
            assert work().context["assignment"]
        monkeypatch.setattr("labeling.sittings.LONGEST", timedelta(0))
        assert "this campaign shows harmful content" in work().content.decode()

    def test_who_signs_in_again_reads_it_again(self, client, work, harmful, alice):
        self.begin(client, harmful)
        client.logout()
        client.force_login(alice)
        assert "this campaign shows harmful content" in work().content.decode()

    def test_it_is_read_for_one_campaign_at_a_time(self, client, work, harmful, carol, alice):
        self.begin(client, harmful)
        other = Campaign.objects.create(
            name="Other", content_warnings=["gore"], status="open", created_by=carol
        )
        add_members(campaign=other, users=[alice], role=Membership.Role.LABELER)
        page = client.get(reverse("labeling:work", args=[other.pk])).content.decode()
        assert "gore" in page
        assert "this campaign shows harmful content" in page

    def test_a_stranger_begins_nothing(self, client, harmful, mallory):
        client.force_login(mallory)
        assert self.begin(client, harmful).status_code == 404

    def test_the_responses_are_closed_until_they_are_opened(self, client, work, harmful):
        self.begin(client, harmful)
        page = work().content.decode()
        start = page.index('<details class="veil" data-veil>')
        assert start < page.index("Answer one") < page.index("</details>", start)

    def test_a_campaign_without_warnings_shows_its_pairs_at_once(self, client, work, harmful):
        Campaign.objects.update(content_warnings=[])
        page = work()
        assert page.context["assignment"]
        assert "data-veil" not in page.content.decode()

    def test_who_opted_out_of_what_is_left_reads_why_nothing_waits(
        self, client, work, harmful, alice
    ):
        set_opt_outs(labeler=alice, categories=["hate"], now=NOW)
        self.begin(client, harmful)
        page = " ".join(work().content.decode().split())
        assert "No pair is waiting for you here" in page
        assert "You opted out of: hate." in page


@pytest.mark.django_db(transaction=True)
def test_simulated_labelers_read_the_warning_and_stop_at_the_limit(
    live_server, simon, harmful, fill
):
    harmful.exposure_cap = 2
    harmful.save()
    fill(harmful, 4)
    add_members(campaign=harmful, users=[simon], role=Membership.Role.LABELER)
    labeler = SimulatedLabeler(live_server.url, "simon", PASSWORD, Taste(), random.Random(3))
    assert labeler.label(harmful.pk) == 2
    assert Judgment.objects.count() == 2


def test_a_pair_that_was_opted_out_of_in_another_tab_takes_no_answer(alice, harmful, add_pair):
    held = add_pair(harmful, "hate")
    assert claim_next(labeler=alice, campaign=harmful, now=NOW) == held
    set_opt_outs(labeler=alice, categories=["hate"], now=NOW)
    with pytest.raises(errors.LeaseExpired):
        record_judgment(
            assignment=held,
            labeler=alice,
            answer=Answer(preference=1),
            client_key=uuid.uuid4(),
            seconds=1.0,
            now=NOW,
        )
