import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Campaign, Judgment, Skip
from labeling.selectors.campaigns import progress
from labeling.services.assignments import claim_next
from labeling.services.judgments import Answer, record_judgment
from labeling.services.skips import skip_comparison
from tests.cast import judge

NOW = timezone.now()


@pytest.fixture
def held(alice, campaign, fill):
    fill(campaign)
    return claim_next(labeler=alice, campaign=campaign, now=NOW)


def skip(assignment, labeler, key=None, reason="unclear", note=""):
    return skip_comparison(
        assignment=assignment,
        labeler=labeler,
        reason=reason,
        note=note,
        client_key=key or uuid.uuid4(),
        now=NOW,
    )


def test_a_skipped_pair_is_free_at_once_for_others_and_never_comes_back(held, alice, bob, campaign):
    skip(held, alice, note="Which moon?")
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None
    assert claim_next(labeler=bob, campaign=campaign, now=NOW) == held
    late = NOW + timedelta(hours=5)
    assert claim_next(labeler=alice, campaign=campaign, now=late) is None
    kept = Skip.objects.get()
    assert (kept.reason, kept.note, kept.comparison) == ("unclear", "Which moon?", held.comparison)


def test_another_slot_of_a_skipped_pair_is_not_offered_either(alice, bob, campaign, fill):
    campaign.overlap = 2
    fill(campaign)
    skip(claim_next(labeler=alice, campaign=campaign, now=NOW), alice)
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None
    assert judge(bob, campaign)


def test_a_skip_sent_again_is_stored_once(held, alice):
    key = uuid.uuid4()
    assert skip(held, alice, key) == skip(held, alice, key)
    assert Skip.objects.count() == 1


def test_a_skips_key_does_not_pass_on_another_pair(held, alice, bob, campaign):
    key = uuid.uuid4()
    skip(held, alice, key)
    claim_next(labeler=bob, campaign=campaign, now=NOW)
    with pytest.raises(errors.KeyReused):
        skip(held, bob, key)


def test_an_answered_pair_can_not_be_skipped(alice, campaign, fill):
    fill(campaign)
    answered = judge(alice, campaign).assignment
    with pytest.raises(errors.AlreadyAnswered):
        skip(answered, alice)


def test_a_skipped_pair_can_not_be_answered_from_another_tab(held, alice):
    skip(held, alice)
    with pytest.raises(errors.AlreadySkipped):
        record_judgment(
            assignment=held,
            labeler=alice,
            answer=Answer(preference=1),
            client_key=uuid.uuid4(),
            seconds=None,
            now=NOW,
        )
    assert not Judgment.objects.exists()


def test_someone_elses_pair_can_not_be_skipped(held, bob):
    with pytest.raises(errors.LeaseExpired):
        skip(held, bob)


def test_a_closed_campaign_takes_no_skips(held, alice):
    Campaign.objects.update(status=Campaign.Status.CLOSED)
    with pytest.raises(errors.CampaignNotOpen):
        skip(held, alice)


def test_the_campaign_counts_skips(held, alice, carol, campaign, client):
    skip(held, alice)
    assert progress(campaign).skipped == 1
    client.force_login(carol)
    page = client.get(reverse("labeling:campaign", args=[campaign.pk])).content.decode()
    assert "<dt>skipped</dt><dd>1</dd>" in page


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: Skip.objects.update(reason="other"),
        lambda kept: Skip.objects.all()._raw_delete("default"),
        lambda kept: Skip.objects.create(**{**kept, "reason": "bored"}),
        lambda kept: Skip.objects.create(**kept),
    ],
    ids=["changed", "deleted", "for an unknown reason", "twice"],
)
def test_the_database_refuses_a_skip(held, alice, change):
    skip(held, alice)
    kept = {
        "assignment": held,
        "comparison": held.comparison,
        "labeler": alice,
        "reason": "other",
        "client_key": uuid.uuid4(),
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        change(kept)


def test_the_database_refuses_a_skip_about_another_comparison(held, alice, campaign, fill):
    other = fill(campaign)[-1]
    wrong = Skip(assignment=held, comparison=other.comparison, labeler=alice, reason="other")
    wrong.client_key = uuid.uuid4()

    def save_and_check():
        with transaction.atomic():
            wrong.save()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError):
        save_and_check()


# The page -----------------------------------------------------------------------------------------


def send(client, assignment, **more):
    return client.post(
        reverse("labeling:skip", args=[assignment.pk]),
        {"reason": "broken", "skip_key": str(uuid.uuid4()), **more},
    )


def test_the_page_skips_and_leads_to_the_next_pair(client, held, alice, campaign):
    client.force_login(alice)
    response = send(client, held, note="half of it is missing")
    assert response.headers["Location"] == reverse("labeling:work", args=[campaign.pk])
    assert Skip.objects.get().note == "half of it is missing"
    assert Assignment.objects.get().labeler is None


@pytest.mark.parametrize("wrong", [{"reason": "bored"}, {"note": "x" * 501}, {"skip_key": "1"}])
def test_a_skip_with_a_mistake_is_given_back_with_a_sentence(client, held, alice, wrong):
    client.force_login(alice)
    response = send(client, held, **wrong)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not Skip.objects.exists()


def test_a_refused_skip_says_why(client, held, alice):
    skip(held, alice)
    client.force_login(alice)
    response = send(client, held)
    assert response.status_code == 409
    assert "This pair was not skipped" in response.content.decode()
    assert "You skipped this comparison" in response.content.decode()


def test_a_stranger_can_not_skip(client, held, mallory):
    client.force_login(mallory)
    assert send(client, held).status_code == 404


class TestPairsThatNobodyIsLeftToJudge:
    @pytest.fixture
    def warned(self, client, carol, campaign):
        client.force_login(carol)

        def look():
            page = client.get(reverse("labeling:campaign", args=[campaign.pk]))
            return " ".join(page.content.decode().split())

        return look

    def test_a_pair_that_every_labeler_skipped_is_told_to_the_manager(
        self, held, alice, bob, campaign, warned
    ):
        skip(held, alice)
        assert progress(campaign).stuck == 0
        assert "nobody is left to give" not in warned()
        skip(claim_next(labeler=bob, campaign=campaign, now=NOW), bob)
        assert progress(campaign).stuck == 1
        assert "1 pair lacks an opinion that nobody is left to give" in warned()

    def test_who_judged_the_pair_can_not_give_the_other_opinion_either(
        self, alice, bob, campaign, fill
    ):
        campaign.overlap = 2
        campaign.save()
        fill(campaign, 2)
        skip(claim_next(labeler=alice, campaign=campaign, now=NOW), alice)
        judge(bob, campaign)
        assert progress(campaign).stuck == 1

    def test_a_new_labeler_or_a_manager_who_skipped_does_not_make_it_stuck(
        self, held, alice, carol, mallory, campaign, bob
    ):
        skip(held, alice)
        skip(claim_next(labeler=carol, campaign=campaign, now=NOW), carol)
        assert progress(campaign).stuck == 0
        skip(claim_next(labeler=bob, campaign=campaign, now=NOW), bob)
        assert progress(campaign).stuck == 1
        campaign.memberships.create(user=mallory, role="labeler")
        assert progress(campaign).stuck == 0

    def test_a_pair_with_all_its_opinions_is_not_stuck(self, held, alice, bob, campaign):
        skip(held, alice)
        judge(bob, campaign)
        assert progress(campaign).stuck == 0


def test_a_page_that_has_gone_on_is_told_in_json(client, held, alice, campaign):
    client.force_login(alice)
    address = reverse("labeling:skip", args=[held.pk])
    json = {"HTTP_ACCEPT": "application/json"}
    nonsense = client.post(address, {"reason": "boredom", "skip_key": uuid.uuid4()}, **json)
    assert nonsense.status_code == 422
    assert "boredom" in nonsense.json()["refusal"]
    sent = {"reason": "unclear", "skip_key": uuid.uuid4()}
    for _ in range(2):
        told = client.post(address, sent, **json).json()
        assert told == {"today": "0 judged today", "explained": ""}
    assert Skip.objects.count() == 1
    again = client.post(address, {**sent, "skip_key": uuid.uuid4()}, **json)
    assert again.status_code == 409
    assert again.json()["refusal"]
