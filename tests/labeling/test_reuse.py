"""Answers whose time ran out, used after all."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Judgment
from labeling.services.assignments import claim_next, release
from labeling.services.judgments import Answer
from labeling.services.reuse import reuse_answer
from labeling.services.skips import skip_comparison
from tests.cast import judge

NOW = timezone.now()
LATE = NOW + timedelta(hours=1)


@pytest.fixture
def lost(alice, bob, campaign, fill):
    """A slot that went from alice to bob, with a second one of the pair and the same sides."""
    campaign.overlap = 2
    campaign.save()
    fill(campaign)
    Assignment.objects.update(first_on_left=True)
    slot = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert claim_next(labeler=bob, campaign=campaign, now=LATE) == slot
    return Assignment.objects.select_related("comparison__campaign").get(pk=slot.pk)


def reuse(assignment, labeler, key=None, preference=-2, now=LATE):
    return reuse_answer(
        assignment=assignment,
        labeler=labeler,
        answer=Answer(preference=preference, rationale="Kept."),
        client_key=key or uuid.uuid4(),
        seconds=4.0,
        now=now,
    )


def test_it_is_stored_in_another_open_slot_of_the_pair(lost, alice, bob, campaign):
    stored = reuse(lost, alice)
    assert stored.assignment != lost
    assert (stored.comparison, stored.preference) == (lost.comparison, -2)
    judge(bob, campaign, now=LATE)
    assert Judgment.objects.values("comparison", "labeler").distinct().count() == 2


def test_only_where_the_pair_stood_the_same_way_round(lost, alice):
    Assignment.objects.exclude(pk=lost.pk).update(first_on_left=False)
    with pytest.raises(errors.NoSlotFree):
        reuse(lost, alice)
    assert not Judgment.objects.exists()


def test_no_pair_gets_more_opinions_than_wanted(lost, alice, bob, campaign):
    Assignment.objects.exclude(pk=lost.pk).delete()
    with pytest.raises(errors.NoSlotFree):
        reuse(lost, alice)
    judge(bob, campaign, now=LATE)
    with pytest.raises(errors.NoSlotFree):
        reuse(lost, alice)


def test_its_own_slot_serves_when_it_is_free_again(lost, alice, bob):
    Assignment.objects.exclude(pk=lost.pk).delete()
    release(assignment=lost, labeler=bob, now=NOW)
    assert reuse(lost, alice).assignment == lost


def test_what_is_held_of_the_pair_the_other_way_round_is_given_back(lost, alice, bob, campaign):
    Assignment.objects.exclude(pk=lost.pk).update(first_on_left=False)
    other = claim_next(labeler=alice, campaign=campaign, now=LATE)
    release(assignment=lost, labeler=bob, now=NOW)
    assert reuse(lost, alice).assignment == lost
    assert Assignment.objects.get(pk=other.pk).labeler is None


def test_sent_twice_it_is_stored_once_and_another_answer_is_refused(lost, alice):
    key = uuid.uuid4()
    assert reuse(lost, alice, key) == reuse(lost, alice, key)
    with pytest.raises(errors.KeyReused):
        reuse(lost, alice, key, preference=1)
    with pytest.raises(errors.AlreadyAnswered):
        reuse(lost, alice)
    assert Judgment.objects.count() == 1


def test_a_pair_that_was_skipped_meanwhile_takes_no_answer(lost, alice, campaign):
    skip_comparison(
        assignment=claim_next(labeler=alice, campaign=campaign, now=LATE),
        labeler=alice,
        reason="unclear",
        note="",
        client_key=uuid.uuid4(),
        now=LATE,
    )
    with pytest.raises(errors.AlreadySkipped):
        reuse(lost, alice)
    assert not Judgment.objects.exists()


def test_without_scripts_the_refusal_offers_it_and_the_click_stores_it(
    client, lost, alice, campaign
):
    Assignment.objects.filter(pk=lost.pk).update(leased_until=timezone.now() + timedelta(hours=1))
    client.force_login(alice)
    sent = {
        "answer": "-2",
        "client_key": str(uuid.uuid4()),
        "rationale": "Two <words>",
        "flags": ["unsafe"],
    }
    response = client.post(reverse("labeling:judge", args=[lost.pk]), sent)
    page = response.content.decode()
    address = reverse("labeling:reuse", args=[lost.pk])
    assert response.status_code == 409
    assert address in page
    assert "Use this answer again" in page
    assert 'value="Two &lt;words&gt;"' in page
    kept = response.context["form"].as_sent()
    followed = client.post(address, dict(kept), follow=True)
    assert "Your answer is stored after all." in followed.content.decode()
    stored = Judgment.objects.get()
    assert (stored.rationale, stored.flags) == ("Two <words>", ["unsafe"])


def test_other_refusals_offer_nothing(client, lost, alice, campaign):
    reuse(lost, alice)
    client.force_login(alice)
    response = client.post(
        reverse("labeling:reuse", args=[lost.pk]),
        {"answer": "1", "client_key": str(uuid.uuid4())},
        headers={"Accept": "application/json"},
    )
    assert response.status_code == 409
    assert response.json()["again"] == ""


def test_a_stranger_and_nonsense_store_nothing(client, lost, mallory, alice):
    address = reverse("labeling:reuse", args=[lost.pk])
    client.force_login(mallory)
    assert client.post(address, {"answer": "1"}).status_code == 404
    client.force_login(alice)
    assert client.post(address, {"answer": "sideways"}).status_code == 409
    assert not Judgment.objects.exists()
