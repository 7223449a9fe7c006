"""What somebody takes back leaves all later data, and what was trained on it is named."""

import io
import json
import uuid
import zipfile

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Assignment,
    AuditEvent,
    Campaign,
    Judgment,
    Membership,
    Policy,
    Tombstone,
    Withdrawal,
)
from labeling.selectors.campaigns import progress
from labeling.selectors.demonstrations import current_demonstrations
from labeling.selectors.judgments import current_judgments
from labeling.services.assignments import claim_next
from labeling.services.corrections import retract_answer
from labeling.services.exports import preference_rows
from labeling.services.snapshots import take_snapshot
from labeling.services.tokens import make_token
from labeling.services.withdrawals import withdraw
from rewardmodel.models import RewardModel
from rlhf.models import PolicyRun
from rlhf.selectors.withdrawals import touched_by
from tests.cast import group, judge, rank, write

NOW = timezone.now()


@pytest.fixture
def judged(campaign, alice, bob, fill):
    """Both labelers judged two pairs each of four."""
    Membership.objects.filter(user__username="carol").delete()
    fill(campaign, 4)
    for labeler in (alice, bob):
        for _ in range(2):
            judge(labeler, campaign)
    return campaign


class TestWithdrawal:
    def test_later_snapshots_and_exports_hold_none_of_it(self, judged, alice, bob):
        before = take_snapshot(campaign=judged, by=None)
        withdraw(labeler=alice, now=NOW)
        after = take_snapshot(campaign=judged, by=None)
        assert set(before.judgments.values_list("labeler", flat=True)) == {alice.pk, bob.pk}
        assert set(after.judgments.values_list("labeler", flat=True)) == {bob.pk}
        assert len(list(preference_rows(judged))) == 2

    def test_nothing_is_deleted(self, judged, alice):
        withdraw(labeler=alice, now=NOW)
        assert Judgment.objects.filter(labeler=alice).count() == 2

    def test_demonstrations_leave_as_well(self, writing_campaign, alice, bob):
        write(alice, writing_campaign)
        write(bob, writing_campaign)
        withdraw(labeler=alice, now=NOW)
        assert [d.labeler for d in current_demonstrations(writing_campaign)] == [bob]

    def test_what_is_judged_afterwards_counts_until_it_is_withdrawn_too(self, judged, alice, fill):
        withdraw(labeler=alice, now=NOW)
        fill(judged)
        judge(alice, judged)
        assert current_judgments(judged).filter(labeler=alice).count() == 1
        withdraw(labeler=alice, now=NOW)
        assert not current_judgments(judged).filter(labeler=alice).exists()

    def test_without_anything_there_is_nothing_to_withdraw(self, judged, alice):
        withdraw(labeler=alice, now=NOW)
        with pytest.raises(errors.NothingToWithdraw):
            withdraw(labeler=alice, now=NOW)
        assert Withdrawal.objects.count() == 1

    def test_a_withdrawal_is_never_undone(self, judged, alice):
        withdraw(labeler=alice, now=NOW)
        for rows in (Withdrawal.objects, Tombstone.objects):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                rows.all()._raw_delete("default")  # past what Django itself protects

    def test_it_is_in_the_audit_log(self, judged, alice):
        withdraw(labeler=alice, now=NOW)
        event = AuditEvent.objects.first()
        assert (event.act, event.actor) == ("data.withdrawn", alice)
        assert event.details == {"judgments": 2, "demonstrations": 0}

    def test_engineers_see_what_was_trained_on_it(self, client, judged, alice, erin, policy):
        snapshot = take_snapshot(campaign=judged, by=None)
        model = RewardModel.objects.create(snapshot=snapshot, base=policy)
        child, grandchild = (
            Policy.objects.create(name="parrot", version=version) for version in (1, 2)
        )
        Policy.objects.filter(pk=grandchild.pk).update(parent=child)
        PolicyRun.objects.create(campaign=judged, parent=policy, reward_model=model, policy=child)
        touched = touched_by(withdraw(labeler=alice, now=NOW))
        clean = take_snapshot(campaign=judged, by=None)
        assert touched.snapshots == [snapshot] != [clean]
        assert touched.reward_models == [model]
        assert touched.policies == [child, grandchild]
        client.force_login(erin)
        page = client.get(reverse("rlhf:withdrawals")).content.decode()
        assert snapshot.digest[:10] in page
        assert "parrot-v2" in page


class TestOthersAreAsked:
    def test_a_slot_stands_in_for_each_withdrawn_answer(self, judged, alice, bob):
        before = progress(judged)
        assert (before.wanted, before.answered) == (4, 4)
        withdraw(labeler=alice, now=NOW)
        after = progress(judged)
        assert (after.wanted, after.answered) == (4, 2)
        judge(bob, judged)
        judge(bob, judged)
        assert claim_next(labeler=bob, campaign=judged, now=NOW) is None
        assert current_judgments(judged).count() == 4

    def test_whoever_withdrew_is_not_asked_about_the_same_pairs_again(self, judged, alice):
        withdraw(labeler=alice, now=NOW)
        assert claim_next(labeler=alice, campaign=judged, now=NOW) is None

    def test_sides_stay_balanced(self, judged, alice):
        mine = Assignment.objects.filter(labeler=alice).order_by("id")
        sides = list(mine.values_list("comparison", "first_on_left"))
        withdraw(labeler=alice, now=NOW)
        fresh = Assignment.objects.filter(answered_at__isnull=True).order_by("id")
        assert list(fresh.values_list("comparison", "first_on_left")) == sides

    def test_a_closed_campaign_asks_nobody(self, judged, alice):
        Campaign.objects.filter(pk=judged.pk).update(status=Campaign.Status.CLOSED)
        withdraw(labeler=alice, now=NOW)
        assert not Assignment.objects.filter(answered_at__isnull=True).exists()
        assert progress(judged).answered == 2

    def test_a_withdrawn_answer_is_never_changed(self, judged, alice):
        judgment = Judgment.objects.filter(labeler=alice).first()
        withdraw(labeler=alice, now=NOW)
        with pytest.raises(errors.AnswerWithdrawn):
            retract_answer(judgment=judgment, labeler=alice, client_key=uuid.uuid4(), now=NOW)

    def test_the_history_marks_it_and_the_way_back_leads_past_it(self, client, judged, alice):
        withdraw(labeler=alice, now=NOW)
        client.force_login(alice)
        page = client.get(reverse("labeling:history")).text
        assert page.count('<span class="badge plain">withdrawn</span>') == 2
        assert "/label/judgments/" not in page
        back = client.get(reverse("labeling:last_answer", args=[judged.pk]), follow=True).text
        assert "no answer in this campaign yet" in back

    def test_a_ranking_counts_as_one_answer_on_the_page(self, client, ranked, policy, alice):
        group(ranked, policy, "Which?", ["A.", "B.", "C."])
        rank(alice, ranked, [1, 2, 3])
        client.force_login(alice)
        assert "1 stored answers" in client.get(reverse("labeling:withdraw")).text
        withdraw(labeler=alice, now=NOW)
        fresh = Assignment.objects.get(answered_at__isnull=True)
        assert sorted(fresh.shown_order) == [0, 1, 2]


class TestThePages:
    def test_the_page_says_what_will_happen_before_it_does(self, client, judged, alice):
        take_snapshot(campaign=judged, by=None)
        client.force_login(alice)
        page = client.get(reverse("labeling:withdraw")).content.decode()
        assert "2 stored answers" in page
        assert "1 snapshot that was taken before holds some of it" in page
        refused = client.post(reverse("labeling:withdraw"))
        assert refused.status_code == 422
        assert not Withdrawal.objects.exists()
        client.post(reverse("labeling:withdraw"), {"understood": "on"})
        assert Withdrawal.objects.get().labeler == alice

    def test_the_file_holds_everything_about_its_owner_and_nothing_about_others(
        self, client, judged, alice, bob, fill
    ):
        fill(judged)
        newest = judge(alice, judged)
        make_token(owner=alice, name="loader", scopes=["read"], days=9, now=NOW)
        client.force_login(alice)
        reply = client.get(reverse("labeling:own_data_file"))
        archive = zipfile.ZipFile(io.BytesIO(reply.getvalue()))
        assert archive.testzip() is None
        rows = {
            name: [json.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
            if name.endswith(".jsonl")
        }
        assert [row["username"] for row in rows["account.jsonl"]] == ["alice"]
        assert "password" not in rows["account.jsonl"][0]
        assert len(rows["judgments.jsonl"]) == 3
        assert {row["labeler"] for row in rows["judgments.jsonl"]} == {alice.pk}
        assert rows["judgments.jsonl"][-1]["id"] == newest.pk
        assert rows["judgments.jsonl"][0]["prompt"][0]["content"].startswith("Question")
        assert rows["labeling-membership-user.jsonl"][0]["role"] == "labeler"
        [token] = rows["labeling-apitoken-owner.jsonl"]
        assert "digest" not in token
        assert "bob" not in b"".join(archive.read(name) for name in rows).decode()

    def test_the_file_is_sent_while_it_is_made(self, client, judged, alice):
        client.force_login(alice)
        reply = client.get(reverse("labeling:own_data_file"))
        assert reply.streaming
        assert len(list(reply.streaming_content)) > 1
