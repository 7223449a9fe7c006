"""Webhooks and letters: told of what happened, signed, again and again, and once more on demand."""

import hashlib
import hmac
import json
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import (
    AuditEvent,
    Delivery,
    DeliveryAttempt,
    EventKind,
    MailWish,
    Membership,
    Report,
    User,
    Webhook,
)
from labeling.models.events import PAUSES
from labeling.outbound import Answer, NotReachable
from labeling.services.assignments import claim_next
from labeling.services.corrections import retract_answer
from labeling.services.deliveries import deliver_due, forget_old, replay, secret_of
from labeling.services.judgments import Answer as Verdict
from labeling.services.judgments import record_judgment
from labeling.services.reports import alarms_in, compute
from labeling.services.snapshots import take_snapshot
from labeling.services.webhooks import add_webhook, renew_secret, switch_webhook
from tests.cast import judge
from tests.threads import at_once

NOW = timezone.now()
HOOK = "https://hooks.example.org/accord"


def listen(campaign, *kinds, **more):
    return Webhook.objects.create(campaign=campaign, url=HOOK, kinds=list(kinds), **more)


class Receiver:
    """Takes what is posted; answers as the test says."""

    def __init__(self, *statuses):
        self.statuses, self.got = list(statuses), []

    def __call__(self, url, body, headers, private):
        self.got.append((url, body, headers))
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            raise NotReachable("no answer within 10 seconds")
        return Answer(status, "as you say")


class TestWhatIsTold:
    def test_a_judgment_and_that_the_pair_is_complete(self, campaign, alice, bob, fill):
        listen(campaign, EventKind.JUDGMENT, EventKind.COMPARISON)
        campaign.overlap = 2
        campaign.save()
        fill(campaign)
        judge(alice, campaign, -1)
        assert [d.kind for d in Delivery.objects.all()] == ["judgment.recorded"]
        judge(bob, campaign, 1)
        kinds = [d.kind for d in Delivery.objects.order_by("id")]
        assert kinds == ["judgment.recorded"] * 2 + ["comparison.completed"]
        told = Delivery.objects.order_by("id").last().payload
        assert told["data"] == {"comparison": campaign.comparisons.get().pk, "judgments": 2}
        assert told["campaign"] == {"id": campaign.pk, "name": "Helpfulness"}

    def test_an_answer_taken_back(self, campaign, alice, fill):
        fill(campaign)
        judgment = judge(alice, campaign)
        listen(campaign, EventKind.JUDGMENT)
        retract_answer(judgment=judgment, labeler=alice, client_key=uuid.uuid4(), now=NOW)
        told = Delivery.objects.get().payload["data"]
        assert (told["retracted"], told["supersedes"]) == (True, judgment.pk)

    def test_a_snapshot(self, campaign, alice, fill, settings, tmp_path):
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        listen(None, EventKind.SNAPSHOT)
        fill(campaign)
        judge(alice, campaign)
        for _ in range(2):  # the same answers are the same snapshot
            snapshot = take_snapshot(campaign=campaign, by=None)
        assert Delivery.objects.get().payload["data"]["digest"] == snapshot.digest

    def test_a_labeler_who_newly_stands_out(self, campaign, monkeypatch):
        listen(campaign, EventKind.ALARM)

        def figures(*judges):
            rows = {who: {"alarm": who in judges} for who in ("u1", "u2")}
            copies = [{"one": "u1", "other": "u2", "alarm": len(judges) > 1}]
            return {"answers": {"u1": 9}, "left": rows, "copies": copies}

        for judges, told in ((["u1"], 1), (["u1"], 1), (["u1", "u2"], 3)):
            monkeypatch.setitem(
                compute.__globals__["FIGURES"],
                "labelers",
                lambda c, j, judges=judges: figures(*judges),
            )
            report = Report.objects.create(campaign=campaign, subject="labelers", judges="person")
            assert report.claim(NOW)
            compute(report)
            assert Delivery.objects.count() == told
        assert alarms_in(figures("u1", "u2")) == {
            ("left", "u1"),
            ("left", "u2"),
            ("copies", "u1 u2"),
        }

    def test_nobody_hears_of_another_campaign_or_of_what_was_not_asked_for(
        self, campaign, alice, fill
    ):
        other = type(campaign).objects.create(name="Another")
        listen(other, EventKind.JUDGMENT)
        listen(campaign, EventKind.SNAPSHOT)
        listen(campaign, EventKind.JUDGMENT, active=False)
        fill(campaign)
        judge(alice, campaign)
        assert not Delivery.objects.exists()

    def test_what_did_not_happen_is_not_told(self, campaign, alice, fill):
        listen(campaign, EventKind.JUDGMENT)
        fill(campaign)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            judge(alice, campaign, 1 // 0)
        assert not Delivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_last_two_judgments_at_once_complete_a_pair_once(campaign, alice, bob, fill):
    listen(campaign, EventKind.COMPARISON)
    campaign.overlap = 2
    campaign.save()
    fill(campaign)
    taken = {u.pk: claim_next(labeler=u, campaign=campaign, now=NOW) for u in (alice, bob)}

    def answer(labeler):
        record_judgment(
            assignment=taken[labeler.pk],
            labeler=labeler,
            answer=Verdict(preference=1),
            client_key=uuid.uuid4(),
            seconds=1.0,
            now=NOW,
        )

    at_once(answer, [alice, bob])
    assert Delivery.objects.count() == 1


class TestDelivering:
    @pytest.fixture
    def delivery(self, campaign, alice, fill):
        listen(campaign, EventKind.JUDGMENT)
        fill(campaign)
        judge(alice, campaign, now=NOW)
        return Delivery.objects.get()

    def test_it_is_signed_as_the_page_says(self, delivery):
        receiver = Receiver()
        assert deliver_due(now=NOW, post=receiver) == 1
        [(url, body, headers)] = receiver.got
        parts = dict(part.split("=") for part in headers["Accord-Signature"].split(","))
        expected = hmac.new(
            secret_of(delivery.webhook).encode(), parts["t"].encode() + b"." + body, hashlib.sha256
        )
        assert (url, parts["v1"]) == (HOOK, expected.hexdigest())
        assert int(parts["t"]) == int(NOW.timestamp())
        assert json.loads(body)["id"] == headers["Accord-Delivery"] == str(delivery.event)
        delivery.refresh_from_db()
        assert (delivery.status, delivery.tries) == ("delivered", 1)

    def test_it_is_tried_again_after_longer_and_longer_pauses_and_then_given_up(self, delivery):
        now, waits = NOW, []
        receiver = Receiver(*[500, None] * 10)
        while True:
            assert deliver_due(now=now, post=receiver) == 1
            delivery.refresh_from_db()
            if delivery.status != "queued":
                break
            assert deliver_due(now=delivery.due_at - timedelta(seconds=1), post=receiver) == 0
            waits.append(delivery.due_at - now)
            now = delivery.due_at
        assert waits == PAUSES == sorted(PAUSES)
        assert (delivery.status, len(receiver.got)) == ("failed", len(PAUSES) + 1)
        tries = list(delivery.attempts.values_list("status", "answer")[:2])
        assert tries == [(500, "as you say"), (None, "no answer within 10 seconds")]
        assert deliver_due(now=now + timedelta(days=9), post=receiver) == 0

    def test_two_workers_do_not_tell_the_same_at_once(self, delivery):
        def meanwhile(*args):
            assert deliver_due(now=NOW, post=Receiver()) == 0
            return Answer(200, "")

        assert deliver_due(now=NOW, post=meanwhile) == 1

    def test_a_replay_is_the_same_event(self, delivery, carol):
        deliver_due(now=NOW, post=Receiver())
        replay(delivery=delivery, by=carol, now=NOW)
        receiver = Receiver()
        deliver_due(now=NOW, post=receiver)
        assert receiver.got[0][2]["Accord-Delivery"] == str(delivery.event)
        assert AuditEvent.objects.get(act="event.replayed").campaign == delivery.webhook.campaign

    def test_a_webhook_that_is_off_gets_nothing(self, delivery, carol):
        switch_webhook(webhook=delivery.webhook, active=False, by=carol)
        receiver = Receiver()
        deliver_due(now=NOW, post=receiver)
        assert not receiver.got

    def test_a_new_key_signs_otherwise(self, delivery, carol):
        before = secret_of(delivery.webhook)
        renew_secret(webhook=delivery.webhook, by=carol)
        assert secret_of(Webhook.objects.get()) != before

    def test_the_log_is_kept_for_a_month(self, delivery):
        deliver_due(now=NOW, post=Receiver())
        later = timezone.now() + timedelta(days=29)
        assert forget_old(now=later) == 0
        assert forget_old(now=later + timedelta(days=2)) == 2  # the delivery and its attempt

    def test_the_log_is_never_changed(self, delivery):
        deliver_due(now=NOW, post=Receiver())
        with pytest.raises(IntegrityError), transaction.atomic():
            DeliveryAttempt.objects.update(status=200)


class TestAdding:
    def test_a_private_address_is_refused(self, campaign, carol):
        for url in ("http://127.0.0.1:8000/", "http://169.254.169.254/latest/", "http://10.0.0.1/"):
            with pytest.raises(errors.AddressRefused, match="private network"):
                add_webhook(campaign=campaign, url=url, kinds=["snapshot.taken"], by=carol)
        assert not Webhook.objects.exists()

    def test_unless_whoever_runs_the_server_allows_it(self, campaign, carol, settings):
        settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
        url = "http://127.0.0.1:8000/"
        made = add_webhook(campaign=campaign, url=url, kinds=["snapshot.taken"], by=carol)
        assert AuditEvent.objects.get(act="webhook.added").subject_id == str(made.pk)

    def test_a_manager_adds_looks_and_replays(self, client, campaign, carol, settings):
        settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
        client.force_login(carol)
        sent = {
            "url": "http://127.0.0.1:9/hook",
            "campaign": campaign.pk,
            "kinds": ["snapshot.taken"],
        }
        answer = client.post(reverse("labeling:webhooks"), sent, follow=True)
        webhook = Webhook.objects.get()
        assert secret_of(webhook) in answer.content.decode()
        delivery = Delivery.objects.create(
            webhook=webhook, event=uuid.uuid4(), kind="snapshot.taken", payload={}, due_at=NOW
        )
        deliver_due(now=NOW, post=Receiver(503))
        page = client.get(reverse("labeling:webhook", args=[webhook.pk])).content.decode()
        assert "503" in page
        client.post(reverse("labeling:replay", args=[delivery.pk]))
        assert Delivery.objects.count() == 2
        client.post(reverse("labeling:webhook_switch", args=[webhook.pk]), {"to": "off"})
        assert not Webhook.objects.get().active

    def test_a_wrong_address_is_said_beside_it(self, client, campaign, carol):
        client.force_login(carol)
        sent = {"url": "http://10.0.0.1/", "campaign": campaign.pk, "kinds": ["snapshot.taken"]}
        answer = client.post(reverse("labeling:webhooks"), sent)
        assert answer.status_code == 422
        assert "lies in a private network" in answer.content.decode()

    def test_a_manager_hears_of_own_campaigns_only(self, client, campaign, carol, erin):
        other = type(campaign).objects.create(name="Another")
        client.force_login(carol)
        sent = {"url": HOOK, "kinds": ["snapshot.taken"]}
        for of in ("", other.pk):
            answer = client.post(reverse("labeling:webhooks"), {**sent, "campaign": of})
            assert answer.status_code == 422
        everything = listen(None, EventKind.SNAPSHOT)
        assert client.get(reverse("labeling:webhook", args=[everything.pk])).status_code == 404
        client.force_login(erin)
        assert client.get(reverse("labeling:webhook", args=[everything.pk])).status_code == 200


class TestLetters:
    @pytest.fixture
    def wish(self, carol, campaign, settings):
        settings.MAIL_IS_SENT = True
        User.objects.filter(pk=carol.pk).update(email="carol@example.org")
        return MailWish.objects.create(user=carol, kind=EventKind.SNAPSHOT)

    def test_who_manages_and_wishes_gets_one(
        self, wish, campaign, alice, fill, settings, tmp_path, mallory
    ):
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        User.objects.filter(pk__in=[mallory.pk, alice.pk]).update(email="nobody@example.org")
        MailWish.objects.create(user=mallory, kind=EventKind.SNAPSHOT)
        MailWish.objects.create(user=alice, kind=EventKind.SNAPSHOT)  # labels, does not manage
        fill(campaign)
        judge(alice, campaign)
        take_snapshot(campaign=campaign, by=None)
        deliver_due(now=timezone.now(), post=Receiver())
        [letter] = mail.outbox
        assert letter.to == ["carol@example.org"]
        assert letter.subject == "Accord: a snapshot was taken (Helpfulness)"
        assert f"/campaigns/{campaign.pk}/" in letter.body

    def test_a_line_break_in_a_name_adds_no_header(self, wish, campaign, alice, fill, settings):
        Delivery.objects.create(
            reader=wish.user,
            event=uuid.uuid4(),
            kind="snapshot.taken",
            payload={"campaign": {"id": 1, "name": "a\nBcc: b@example.org"}, "data": {}, "url": ""},
        )
        deliver_due(now=timezone.now(), post=Receiver())
        assert mail.outbox[0].subject == "Accord: a snapshot was taken (a Bcc: b@example.org)"

    def test_without_a_mail_server_nothing_is_written_and_the_page_says_so(
        self, wish, client, campaign, carol, alice, fill, settings, tmp_path
    ):
        settings.MAIL_IS_SENT = False
        settings.ARTIFACTS_URL = f"file://{tmp_path}"
        fill(campaign)
        judge(alice, campaign)
        take_snapshot(campaign=campaign, by=None)
        assert not Delivery.objects.exists()
        client.force_login(carol)
        page = client.get(reverse("labeling:notices")).content.decode()
        assert "No mail leaves this installation yet" in page

    def test_wishes_are_set_on_a_page(self, client, campaign, carol):
        client.force_login(carol)
        address = reverse("labeling:notices")
        client.post(address, {"kinds": ["alarm.raised"]})
        assert [w.kind for w in carol.mail_wishes.all()] == ["alarm.raised"]
        assert client.post(address, {"kinds": ["judgment.recorded"]}).status_code == 422
        client.post(address, {})
        assert not carol.mail_wishes.exists()

    def test_a_labeler_is_told_that_there_is_nothing(self, client, alice, campaign):
        assert campaign.memberships.get(user=alice).role == Membership.Role.LABELER
        client.force_login(alice)
        page = client.get(reverse("labeling:notices")).content.decode()
        assert "There is nothing to write about" in page
