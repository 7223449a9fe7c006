from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Assignment,
    AuditEvent,
    Campaign,
    GuidelinesVersion,
    Judgment,
    SpendingMark,
)
from labeling.selectors.campaigns import first_with_work
from labeling.selectors.spending import promised, spent
from labeling.services.allowances import MARKED, SETTLED
from labeling.services.assignments import claim_ahead, claim_next
from labeling.services.campaigns import (
    add_members,
    archive,
    change_status,
    clone_campaign,
    create_campaign,
)
from labeling.services.corrections import retract_answer
from labeling.starting_points import STARTING_POINTS
from tests.cast import judge, person
from tests.threads import at_once

NOW = timezone.now()


def rules(campaign, **changes):
    for name, value in changes.items():
        setattr(campaign, name, value)
    campaign.save()


class TestGuidelines:
    def test_each_change_is_a_version_whoever_makes_it(self, campaign):
        assert not campaign.guidelines_versions.exists()
        rules(campaign, guidelines="Be kind.")
        Campaign.objects.filter(pk=campaign.pk).update(guidelines="Be fair.")
        rules(campaign, guidelines="Be fair.")  # nothing changes
        versions = campaign.guidelines_versions.order_by("number")
        assert list(versions.values_list("number", "text")) == [(1, "Be kind."), (2, "Be fair.")]

    def test_a_campaign_made_with_guidelines_has_its_first_version(self, carol):
        made = create_campaign(campaign=Campaign(name="New", guidelines="Read."), by=carol)
        assert [v.text for v in made.guidelines_versions.all()] == ["Read."]

    def test_a_version_is_never_changed(self, campaign):
        rules(campaign, guidelines="Be kind.")
        with pytest.raises(IntegrityError), transaction.atomic():
            GuidelinesVersion.objects.update(text="Be cruel.")

    def test_a_judgment_knows_the_version_it_was_made_under(self, campaign, alice, fill):
        fill(campaign, 2)
        assert judge(alice, campaign).guidelines is None
        rules(campaign, guidelines="Be kind.")
        assert judge(alice, campaign).guidelines.number == 1

    def test_the_version_that_the_page_showed_counts(self, client, campaign, alice, fill):
        rules(campaign, guidelines="Be kind.")
        fill(campaign, 1)
        client.force_login(alice)
        page = client.get(reverse("labeling:work", args=[campaign.pk]))
        shown = page.context["form"]["guidelines"].value()
        assignment = page.context["assignment"]
        rules(campaign, guidelines="Be fair.")
        client.post(
            reverse("labeling:judge", args=[assignment.pk]),
            {
                "answer": "1",
                "client_key": "00000000-0000-4000-8000-000000000001",
                "guidelines": shown,
            },
        )
        assert Judgment.objects.get().guidelines.text == "Be kind."

    def test_the_page_shows_versions_and_their_judgments(
        self, client, campaign, alice, carol, fill
    ):
        rules(campaign, guidelines="Be kind.\nBe quick.")
        fill(campaign)
        judge(alice, campaign)
        rules(campaign, guidelines="Be kind.\nTake your time.")
        client.force_login(carol)
        page = client.get(reverse("labeling:guidelines_versions", args=[campaign.pk]))
        text = page.content.decode()
        assert "<ins>Take your time.</ins>" in text
        assert "<del>Be quick.</del>" in text
        assert "1 judgment" in text


class TestQuota:
    def test_a_labeler_gets_so_many_pairs_a_day_and_tomorrow_again(
        self, campaign, alice, bob, fill
    ):
        rules(campaign, daily_quota=2)
        fill(campaign, 6)
        noon = timezone.localtime(NOW).replace(hour=12)
        judge(alice, campaign, now=noon)
        judge(alice, campaign, now=noon)
        with pytest.raises(errors.QuotaReached):
            claim_next(labeler=alice, campaign=campaign, now=noon)
        assert claim_next(labeler=bob, campaign=campaign, now=noon)
        assert claim_next(labeler=alice, campaign=campaign, now=noon + timedelta(days=1))

    def test_what_is_read_ahead_counts(self, campaign, alice, fill):
        rules(campaign, daily_quota=3)
        fill(campaign, 9)
        assert len(claim_ahead(labeler=alice, campaign=campaign, at_most=9, now=NOW)) == 3

    def test_the_page_says_so(self, client, campaign, alice, fill):
        rules(campaign, daily_quota=1)
        fill(campaign, 2)
        judge(alice, campaign)
        client.force_login(alice)
        text = client.get(reverse("labeling:work", args=[campaign.pk])).content.decode()
        assert errors.QuotaReached.sentence() in text


class TestBudget:
    @pytest.fixture
    def paid(self, campaign, fill):
        rules(campaign, price=Decimal("0.40"), budget=Decimal("1.00"))
        fill(campaign, 5)
        return campaign

    def test_no_more_is_promised_than_there_is(self, paid, alice, bob):
        assert claim_next(labeler=alice, campaign=paid, now=NOW)
        assert claim_next(labeler=bob, campaign=paid, now=NOW)
        assert promised(paid) == Decimal("0.80")
        judge(alice, paid, now=NOW)
        assert spent(paid) == Decimal("0.40")
        with pytest.raises(errors.BudgetSpent):
            claim_next(labeler=alice, campaign=paid, now=NOW)

    def test_reading_ahead_stops_at_the_budget(self, paid, alice):
        assert len(claim_ahead(labeler=alice, campaign=paid, at_most=5, now=NOW)) == 2

    def test_what_someone_let_run_out_is_taken_over_for_the_same_money(self, paid, alice, bob):
        claim_ahead(labeler=alice, campaign=paid, at_most=5, now=NOW)
        late = NOW + timedelta(minutes=31)
        assert claim_next(labeler=bob, campaign=paid, now=late)
        assert promised(paid) == Decimal("0.80")

    def test_a_price_holds_for_what_was_taken_at_it(self, paid, alice, bob):
        claim_next(labeler=alice, campaign=paid, now=NOW)
        rules(paid, price=Decimal("0.60"))
        judge(alice, paid, now=NOW)
        judge(bob, paid, now=NOW)
        assert spent(paid) == Decimal("1.00")

    def test_an_answer_taken_back_was_work_all_the_same(self, paid, alice):
        judgment = judge(alice, paid, now=NOW)
        retract_answer(
            judgment=judgment,
            labeler=alice,
            client_key="00000000-0000-4000-8000-000000000002",
            now=NOW,
        )
        assert spent(paid) == Decimal("0.40")

    def test_sums_over_the_past_are_kept_and_the_same(self, campaign, alice, fill):
        rules(campaign, price=Decimal("0.25"), budget=Decimal(100))
        fill(campaign, 12)
        for hour in range(8):
            judge(alice, campaign, now=NOW + timedelta(hours=hour))
        mark = SpendingMark.objects.get()
        assert mark.amount == Decimal("1.75")  # the last hour has not settled
        assert spent(campaign) == Decimal("2.00")
        mark.delete()
        assert spent(campaign) == Decimal("2.00")
        assert MARKED > SETTLED

    def test_what_an_answer_cost_never_changes(self, paid, alice):
        judge(alice, paid, now=NOW)
        with pytest.raises(IntegrityError), transaction.atomic():
            Assignment.objects.filter(answered_at__isnull=False).update(price=0)

    def test_a_claim_reads_no_more_rows_the_more_was_answered(
        self, campaign, alice, fill, django_assert_max_num_queries
    ):
        rules(campaign, price=Decimal("0.01"), budget=Decimal(100))
        fill(campaign, 30)
        for n in range(20):
            judge(alice, campaign, now=NOW + timedelta(hours=n))
        later = NOW + timedelta(hours=20)
        judge(alice, campaign, now=later)
        mark = SpendingMark.objects.get()
        unmarked = Assignment.objects.filter(answered_at__gt=mark.up_to).count()
        assert unmarked <= 2
        with django_assert_max_num_queries(17):
            claim_next(labeler=alice, campaign=campaign, now=later)

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_never_promise_more_than_there_is(self, campaign, fill):
        rules(campaign, price=Decimal(1), budget=Decimal(7))
        fill(campaign, 40)
        labelers = [person(f"labeler{n}") for n in range(8)]
        add_members(campaign=campaign, users=labelers, role="labeler")

        def take(labeler):
            with suppress(errors.BudgetSpent):
                for _ in range(4):
                    claim_ahead(labeler=labeler, campaign=campaign, at_most=3, now=NOW)

        at_once(take, labelers)
        assert promised(campaign) == 7


class TestDeadlineAndPriority:
    def test_after_the_deadline_nothing_is_given_out_but_what_was_begun_counts(
        self, campaign, alice, bob, fill
    ):
        fill(campaign, 3)
        claim_next(labeler=alice, campaign=campaign, now=NOW)
        rules(campaign, deadline=NOW + timedelta(minutes=1))
        late = NOW + timedelta(minutes=2)
        with pytest.raises(errors.DeadlinePassed):
            claim_next(labeler=bob, campaign=campaign, now=late)
        assert judge(alice, campaign, now=late).pk

    def test_the_label_button_leads_to_what_managers_put_first(self, campaign, alice, carol, fill):
        other = create_campaign(
            campaign=Campaign(name="Urgent", priority=5), by=carol, labelers=[alice]
        )
        change_status(campaign=other, to="open")
        fill(campaign)
        assert first_with_work(alice, NOW) == campaign  # the urgent one has no pair yet
        fill(other)
        assert first_with_work(alice, NOW) == other
        rules(other, deadline=NOW)
        assert first_with_work(alice, NOW) == campaign

    def test_with_nothing_waiting_it_leads_to_the_list(self, client, alice, campaign):
        client.force_login(alice)
        assert client.get(reverse("labeling:next")).url == reverse("labeling:choose")


class TestLifeOfACampaign:
    def test_a_clone_is_a_draft_with_the_same_rules_people_and_question(
        self, client, campaign, carol, alice, policy, fill
    ):
        rules(campaign, guidelines="Be kind.", price=Decimal("0.10"), aspects=["honest"])
        campaign.entrants.create(policy=policy, responses=3)
        fill(campaign)
        client.force_login(carol)
        client.post(reverse("labeling:clone", args=[campaign.pk]))
        copy = Campaign.objects.exclude(pk=campaign.pk).get()
        assert copy.name == "Helpfulness (2)"
        assert copy.status == Campaign.Status.DRAFT
        assert (copy.guidelines, copy.price, copy.aspects) == (
            "Be kind.",
            Decimal("0.10"),
            ["honest"],
        )
        assert copy.entrants.get().responses == 3
        assert set(copy.memberships.values_list("user__username", "role")) == {
            ("alice", "labeler"),
            ("bob", "labeler"),
            ("carol", "manager"),
        }
        assert not copy.comparisons.exists()
        assert clone_campaign(campaign=campaign, by=carol).name == "Helpfulness (3)"

    def test_only_a_closed_campaign_is_archived_and_comes_back(self, client, campaign, carol):
        with pytest.raises(errors.TransitionRefused):
            archive(campaign=campaign, archived=True, by=carol, now=NOW)
        change_status(campaign=campaign, to="closed")
        client.force_login(carol)
        address = reverse("labeling:archive", args=[campaign.pk])
        for to, shown in (("away", False), ("back", True)):
            client.post(address, {"to": to})
            page = client.get(reverse("labeling:campaigns")).content.decode()
            assert (campaign.name in page) is shown
        acts = AuditEvent.objects.order_by("-id").values_list("act", "actor")
        assert list(acts[:2]) == [
            ("campaign.restored", carol.pk),
            ("campaign.archived", carol.pk),
        ]

    def test_someone_elses_campaign_is_neither_cloned_nor_archived(self, client, campaign, mallory):
        client.force_login(mallory)
        for name in ("clone", "archive"):
            assert client.post(reverse(f"labeling:{name}", args=[campaign.pk])).status_code == 404
        address = reverse("labeling:guidelines_versions", args=[campaign.pk])
        assert client.get(address).status_code == 404


def filled(page):
    """What a browser would send of a page's form as it stands."""
    return {
        field.name: value
        for field in page.context["form"]
        if (value := field.field.widget.format_value(field.value())) not in (None, False, "", [])
        and not isinstance(value, bool)
    } | {
        field.name: "on"
        for field in page.context["form"]
        if field.widget_type == "checkbox" and field.value()
    }


class TestTheForm:
    @pytest.fixture
    def manager(self, client, campaign, carol):
        client.force_login(carol)
        return client

    def send(self, client, **changes):
        data = filled(client.get(reverse("labeling:create"), {"from": "helpfulness"}))
        return client.post(reverse("labeling:create"), {**data, "name": "New", **changes})

    @pytest.mark.parametrize("point", STARTING_POINTS, ids=lambda point: point.key)
    def test_each_starting_point_makes_a_campaign_as_it_stands(self, manager, point, alice):
        page = manager.get(reverse("labeling:create"), {"from": point.key})
        data = filled(page)
        answer = manager.post(reverse("labeling:create"), {**data, "name": "New"})
        assert answer.status_code == 302, answer.context["form"].errors
        made = Campaign.objects.get(name="New")
        assert made.guidelines.replace("\r", "").strip() == point.initial()["guidelines"].strip()
        assert all(getattr(made, name) == value for name, value in point.rules.items())

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("overlap", {"overlap": 4}),
            ("budget", {"price": "0.5", "budget": "0.4"}),
            ("budget", {"price": "0.2", "budget": "0.3", "overlap": 2, "labelers": "alice"}),
            ("deadline", {"deadline": "2020-01-01T12:00"}),
            ("__all__", {"budget": "3"}),
            ("price", {"price": "-1"}),
            ("daily_quota", {"daily_quota": "0"}),
        ],
    )
    def test_a_campaign_that_nobody_could_finish_is_not_made(self, manager, alice, field, changes):
        if "labelers" in changes:
            changes = {**changes, "labelers": [alice.pk]}
        answer = self.send(manager, **changes)
        assert answer.status_code == 422
        assert list(answer.context["form"].errors) == [field]
        assert not Campaign.objects.filter(name="New").exists()

    def test_nor_changed_into_one(self, manager, campaign):
        data = filled(manager.get(reverse("labeling:edit", args=[campaign.pk])))
        answer = manager.post(reverse("labeling:edit", args=[campaign.pk]), {**data, "overlap": 4})
        assert answer.status_code == 422
        assert "4 different labelers" in answer.content.decode()

    def test_a_campaign_past_its_deadline_is_not_opened(self, campaign):
        change_status(campaign=campaign, to="paused")
        rules(Campaign.objects.get(pk=campaign.pk), deadline=NOW - timedelta(hours=1))
        with pytest.raises(errors.CampaignIncomplete):
            change_status(campaign=campaign, to="open")
