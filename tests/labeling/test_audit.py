"""The audit log: every administrative act leaves a trace that nobody can remove."""

import csv
import io
import json

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.urls import reverse

from labeling import errors
from labeling.models import Act, AuditEvent, Campaign, Membership
from labeling.services import audit
from labeling.services.campaigns import (
    add_members,
    change_campaign,
    change_status,
    create_campaign,
    set_labelers,
)
from labeling.services.snapshots import take_snapshot
from rewardmodel.services.reward_models import start_reward_model
from rewardmodel.services.runs import cancel
from rlhf.services.policies import promote, register_base
from tests.cast import judge, person


@pytest.fixture
def campaign(alice, bob, carol):
    """The usual campaign, made without the services: the log is empty at the start."""
    made = Campaign.objects.create(name="Helpfulness", status=Campaign.Status.OPEN)
    for user, role in ((alice, "labeler"), (bob, "labeler"), (carol, "manager")):
        Membership.objects.create(campaign=made, user=user, role=role)
    return made


def acts(**narrowed):
    return list(AuditEvent.objects.filter(**narrowed).order_by("id").values_list("act", flat=True))


def note(subject, actor=None, act=Act.CAMPAIGN_CHANGED, **details):
    with transaction.atomic():
        return audit.record(actor=actor, act=act, subject=subject, details=details)


class TestTheLog:
    def test_a_record_is_never_changed_and_never_deleted(self, campaign, carol):
        event = note(campaign, carol)
        for spoil in (
            lambda: AuditEvent.objects.filter(pk=event.pk).update(subject="nothing"),
            lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
        ):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                spoil()
        assert AuditEvent.objects.get().subject == "Helpfulness"

    def test_outside_of_a_transaction_nothing_is_recorded(self, campaign):
        with pytest.raises(TransactionManagementError):
            audit.record(actor=None, act=Act.CAMPAIGN_CHANGED, subject=campaign)

    def test_an_act_that_fails_leaves_no_record(self, campaign, carol):
        @transaction.atomic
        def close_and_open():
            change_status(campaign=campaign, to="closed", by=carol)
            change_status(campaign=campaign, to="open", by=carol)

        with pytest.raises(errors.TransitionRefused):
            close_and_open()
        assert not AuditEvent.objects.exists()
        assert Campaign.objects.get().status == Campaign.Status.OPEN

    def test_details_may_hold_what_json_can_not(self, campaign):
        event = note(campaign, at=campaign.created_at, kinds={"person"}, who=campaign)
        assert AuditEvent.objects.get(pk=event.pk).details["who"] == "Helpfulness"

    def test_an_act_is_a_thing_and_a_verb(self, campaign):
        with pytest.raises(IntegrityError), transaction.atomic():
            note(campaign, act="something happened")

    def test_the_event_outlives_its_subject(self, carol):
        doomed = Campaign.objects.create(name="Doomed")
        note(doomed, carol)
        doomed.delete()
        assert AuditEvent.objects.select_related("campaign").get().subject == "Doomed"


class TestWhatIsRecorded:
    def test_the_life_of_a_campaign(self, alice, bob, carol):
        campaign = create_campaign(campaign=Campaign(name="Honesty"), by=carol, labelers=[alice])
        for status in ("open", "paused", "closed"):
            change_status(campaign=campaign, to=status, by=carol)
        assert acts() == [
            *("campaign.created", "member.added", "member.added"),
            *("campaign.opened", "campaign.paused", "campaign.closed"),
        ]
        assert set(AuditEvent.objects.values_list("actor__username", flat=True)) == {"carol"}
        assert set(AuditEvent.objects.values_list("campaign", flat=True)) == {campaign.pk}

    def test_a_change_says_what_was_and_what_is(self, campaign, carol):
        campaign.overlap = 2
        change_campaign(campaign=campaign, by=carol)
        assert AuditEvent.objects.get().details == {"overlap": [1, 2]}

    def test_saving_without_a_change_is_no_act(self, campaign, carol):
        change_campaign(campaign=campaign, by=carol)
        assert not AuditEvent.objects.exists()

    def test_a_form_that_was_open_meanwhile_does_not_open_a_campaign_again(self, campaign, carol):
        stale = Campaign.objects.get(pk=campaign.pk)
        change_status(campaign=campaign, to="paused", by=carol)
        stale.overlap = 2
        change_campaign(campaign=stale, by=carol)
        assert Campaign.objects.get().status == Campaign.Status.PAUSED

    def test_who_came_and_who_went(self, campaign, alice, bob, carol):
        dora = person("dora")
        set_labelers(campaign=campaign, users=[alice, dora], by=carol)
        assert list(AuditEvent.objects.order_by("id").values_list("act", "subject")) == [
            ("member.removed", "bob"),
            ("member.added", "dora"),
        ]

    def test_somebody_who_is_a_member_already_is_not_added_again(self, campaign, alice, carol):
        add_members(campaign=campaign, users=[alice], role=Membership.Role.MANAGER, by=carol)
        assert not AuditEvent.objects.exists()
        assert campaign.memberships.get(user=alice).role == Membership.Role.LABELER

    def test_snapshots_are_recorded_once_and_exports_each_time(
        self, client, campaign, alice, carol, fill
    ):
        fill(campaign)
        judge(alice, campaign)
        for _ in range(2):
            take_snapshot(campaign=campaign, by=carol)
        client.force_login(carol)
        for _ in range(2):
            client.get(reverse("labeling:export", args=[campaign.pk]), {"format": "jsonl"})
        assert acts() == ["snapshot.taken", "preferences.exported", "preferences.exported"]

    def test_training_from_its_start_to_its_cancel(self, campaign, alice, erin, policy, fill):
        fill(campaign)
        judge(alice, campaign)
        snapshot = take_snapshot(campaign=campaign, by=erin)
        config = {"min_train_pairs": 0, "min_test_pairs": 0}
        run = start_reward_model(snapshot=snapshot, base=policy, by=erin, config=config)
        cancel(run=run, now=run.created_at, by=erin)
        started, cancelled = AuditEvent.objects.filter(act__startswith="training.").order_by("id")
        assert (started.campaign, cancelled.campaign) == (campaign, campaign)
        assert started.details["base"] == policy.slug

    def test_a_promotion_and_the_way_back(self, erin):
        first = register_base(name="owl", checkpoint="/models/owl")
        second = type(first).objects.create(name="owl", version=1, checkpoint="/models/owl1")
        promote(policy=second, reason="Better.", by=erin)
        promote(policy=first, reason="Not better.", by=erin)
        assert acts() == ["policy.promoted", "policy.rolled_back"]

    def test_what_is_changed_in_the_engine_room(self, client, alice):
        root = person("root", is_staff=True, is_superuser=True)
        client.force_login(root)
        page = client.post(
            reverse("admin:labeling_campaignpolicy_add"), {}, follow=True
        )  # refused: nothing is recorded
        assert page.status_code == 200
        client.post(
            reverse("admin:labeling_policy_add"), {"name": "owl", "version": 3, "checkpoint": ""}
        )
        event = AuditEvent.objects.get()
        assert (event.act, event.subject, event.actor) == ("admin.added", "owl-v3", root)


class TestThePage:
    def test_a_manager_reads_what_concerns_their_campaigns(self, client, campaign, carol, erin):
        note(campaign, erin)
        note(Campaign.objects.create(name="Elsewhere"), erin)
        client.force_login(carol)
        page = client.get(reverse("labeling:audit")).content.decode()
        assert "Helpfulness" in page
        assert "Elsewhere" not in page
        client.force_login(erin)
        assert "Elsewhere" in client.get(reverse("labeling:audit")).content.decode()

    def test_labelers_and_strangers_may_not_read_it(self, client, campaign, alice, mallory):
        for user in (alice, mallory):
            client.force_login(user)
            assert client.get(reverse("labeling:audit")).status_code == 403
            assert client.get(reverse("labeling:audit_export", args=["csv"])).status_code == 403

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ({}, 2),
            ({"words": "erin"}, 1),
            ({"words": "help ERIN"}, 1),
            ({"words": "seventeen"}, 1),
            ({"act": "campaign.opened"}, 1),
            ({"since": "2999-01-01"}, 0),
            ({"until": "2000-01-01"}, 0),
        ],
    )
    def test_it_is_searched_by_who_what_and_when(
        self, client, campaign, carol, erin, search, found
    ):
        note(campaign, erin, pairs="seventeen")
        note(campaign, carol, act=Act.CAMPAIGN_OPENED)
        client.force_login(erin)
        page = client.get(reverse("labeling:audit"), search)
        assert len(page.context["events"]) == found

    def test_a_wrong_date_is_named_at_its_field(self, client, erin):
        client.force_login(erin)
        page = client.get(reverse("labeling:audit"), {"since": "2026-11-25", "until": "2026-11-01"})
        assert page.status_code == 422
        assert "This day lies before the first one." in page.content.decode()

    def test_older_events_are_on_further_pages(self, client, campaign, erin):
        for number in range(60):
            note(campaign, erin, number=number)
        client.force_login(erin)
        first = client.get(reverse("labeling:audit")).context
        second = client.get(reverse("labeling:audit"), {"before": first["older"]}).context
        seen = [event.pk for event in [*first["events"], *second["events"]]]
        assert len(seen) == len(set(seen)) == 60
        assert second["older"] is None

    def test_the_files_hold_what_the_page_shows(self, client, campaign, erin):
        note(campaign, erin, number=1)
        client.force_login(erin)
        lines = client.get(reverse("labeling:audit_export", args=["jsonl"])).getvalue()
        [row] = [json.loads(line) for line in io.BytesIO(lines)]
        assert (row["actor"], row["details"]) == ("erin", {"number": 1})
        table = client.get(reverse("labeling:audit_export", args=["csv"])).getvalue().decode()
        [line] = csv.DictReader(io.StringIO(table))
        assert line["subject"] == "Helpfulness"

    def test_a_spreadsheet_finds_no_formula_in_the_file(self, client, erin):
        note(Campaign.objects.create(name='=cmd|"/c calc"'), erin)
        client.force_login(erin)
        table = client.get(reverse("labeling:audit_export", args=["csv"])).getvalue().decode()
        [line] = csv.DictReader(io.StringIO(table))
        assert line["subject"].startswith("'=")


def test_the_page_asks_the_database_the_same_few_questions_however_much_it_shows(
    client, campaign, erin, django_assert_max_num_queries
):
    for _ in range(30):
        note(campaign, erin)
    client.force_login(erin)
    with django_assert_max_num_queries(8):
        client.get(reverse("labeling:audit"))
    assert connection.vendor == "postgresql"
