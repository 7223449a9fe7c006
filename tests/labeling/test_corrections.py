import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Campaign, Judgment
from labeling.selectors.campaigns import agreement, progress
from labeling.selectors.judgments import current_judgments
from labeling.services.assignments import claim_next
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.judgments import Answer
from tests.cast import judge
from tests.threads import at_once

NOW = timezone.now()


@pytest.fixture
def judgment(alice, campaign, fill):
    fill(campaign)
    return judge(alice, campaign, preference=-1)


def change(judgment, labeler, preference=3, key=None, **more):
    return change_answer(
        judgment=judgment,
        labeler=labeler,
        answer=Answer(preference=preference, **more),
        client_key=key or uuid.uuid4(),
        seconds=2.0,
        now=NOW,
    )


def retract(judgment, labeler, key=None):
    return retract_answer(
        judgment=judgment, labeler=labeler, client_key=key or uuid.uuid4(), now=NOW
    )


def test_a_changed_answer_takes_the_place_of_the_former_which_stays_stored(
    judgment, alice, campaign
):
    changed = change(judgment, alice)
    assert changed.supersedes == judgment
    assert list(current_judgments(campaign)) == [changed]
    assert Judgment.objects.count() == 2
    again = change(changed, alice, preference=1)
    assert list(current_judgments(campaign)) == [again]


def test_the_same_answer_again_stores_nothing(judgment, alice):
    assert change(judgment, alice, preference=-1) == judgment
    assert Judgment.objects.count() == 1


def test_a_change_sent_again_is_stored_once(judgment, alice):
    key = uuid.uuid4()
    assert change(judgment, alice, key=key) == change(judgment, alice, key=key)
    with pytest.raises(errors.KeyReused):
        change(judgment, alice, preference=2, key=key)
    assert Judgment.objects.count() == 2


def test_nobody_changes_someone_elses_answer(judgment, bob):
    with pytest.raises(errors.NotYours):
        change(judgment, bob)
    with pytest.raises(errors.NotYours):
        retract(judgment, bob)


@pytest.mark.parametrize("status", ["open", "paused", "closed"])
def test_an_answer_is_changed_while_its_campaign_is_not_closed(judgment, alice, status):
    Campaign.objects.update(status=status)
    judgment = Judgment.objects.get()
    if status != "closed":
        assert change(judgment, alice)
        return
    with pytest.raises(errors.CampaignNotOpen):
        change(judgment, alice)
    with pytest.raises(errors.CampaignNotOpen):
        retract(judgment, alice)


def test_what_the_campaign_does_not_offer_is_refused_in_a_change_too(judgment, alice):
    with pytest.raises(errors.AnswerNotOffered):
        change(judgment, alice, preference=4)


def test_an_answer_taken_back_counts_no_more_and_someone_else_judges_the_pair(
    judgment, alice, bob, campaign
):
    before = progress(campaign)
    retract(judgment, alice)
    assert not current_judgments(campaign)
    after = progress(campaign)
    assert (before.wanted, before.answered, before.complete) == (1, 1, 1)
    assert (after.wanted, after.answered, after.complete) == (1, 0, 0)
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None
    assert judge(bob, campaign).comparison == judgment.comparison
    assert progress(campaign).complete == 1


def test_the_slot_that_stands_in_has_the_same_sides(judgment, alice):
    retract(judgment, alice)
    one, other = Assignment.objects.order_by("slot")
    assert (one.first_on_left, one.slot, other.slot) == (other.first_on_left, 0, 1)


def test_a_retraction_sent_again_is_stored_once(judgment, alice):
    key = uuid.uuid4()
    assert retract(judgment, alice, key) == retract(judgment, alice, key)
    assert Assignment.objects.count() == 2
    with pytest.raises(errors.AnswerChanged):
        retract(judgment, alice)


def test_an_answer_taken_back_can_not_be_changed(judgment, alice):
    gone = retract(judgment, alice)
    for past in (judgment, gone):
        with pytest.raises(errors.AnswerChanged):
            change(past, alice)


def test_agreement_knows_only_the_answers_that_stand(alice, bob, campaign, fill):
    campaign.overlap = 2
    fill(campaign)
    judge(bob, campaign, preference=1)
    mistaken = judge(alice, campaign, preference=-1)
    assert agreement(campaign).value == 0
    change(mistaken, alice, preference=2)
    assert agreement(campaign).value == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_the_same_moment_one_wins_and_the_other_is_told(judgment, alice):
    def work(preference):
        try:
            change(judgment, alice, preference=preference)
        except errors.AnswerChanged as refusal:
            return str(refusal)

    refused = [words for words in at_once(work, [-3, -2, 2, 3]) if words]
    assert Judgment.objects.count() == 2
    assert len(refused) == 3
    assert "in another tab" in refused[0]


def test_the_database_lets_no_answer_give_way_to_someone_elses(alice, bob, campaign, fill):
    campaign.overlap = 2
    fill(campaign)
    one, other = judge(alice, campaign), judge(bob, campaign)

    def save_and_check():
        with transaction.atomic():
            Judgment.objects.create(
                comparison=other.comparison,
                assignment=other.assignment,
                labeler=bob,
                judge_kind="person",
                preference=1,
                client_key=uuid.uuid4(),
                supersedes=one,
            )
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError):
        save_and_check()


def test_the_database_lets_only_an_answered_slot_be_withdrawn(campaign, fill):
    fill(campaign)
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.update(withdrawn_at=NOW)


# The pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_on_left", [True, False])
def test_the_page_fills_in_the_answer_on_the_side_it_was_given(
    client, alice, campaign, fill, first_on_left
):
    fill(campaign)
    Assignment.objects.update(first_on_left=first_on_left)
    given = judge(alice, campaign, preference=-2)
    client.force_login(alice)
    last = client.get(reverse("labeling:last_answer", args=[campaign.pk]))
    assert last.headers["Location"] == reverse("labeling:change_answer", args=[given.pk])
    page = client.get(last.headers["Location"])
    assert page.context["form"]["answer"].value() == ("-2" if first_on_left else "2")


def test_saving_a_change_leads_back_to_the_pair_that_was_held(client, alice, campaign, fill):
    fill(campaign, 2)
    given = judge(alice, campaign)
    held = claim_next(labeler=alice, campaign=campaign, now=NOW)
    client.force_login(alice)
    response = client.post(
        reverse("labeling:change_answer", args=[given.pk]),
        {"answer": "tie", "client_key": str(uuid.uuid4())},
        follow=True,
    )
    assert response.context["assignment"] == held
    assert Judgment.objects.get(supersedes=given).equal == "tie"


def test_a_change_that_came_too_late_is_shown_with_the_reason(client, judgment, alice):
    change(judgment, alice)
    client.force_login(alice)
    address = reverse("labeling:change_answer", args=[judgment.pk])
    response = client.post(
        address, {"answer": "1", "rationale": "kept", "client_key": str(uuid.uuid4())}
    )
    page = response.content.decode()
    assert response.status_code == 409
    assert "was changed or taken back in another tab" in page
    assert "kept" in page
    assert client.get(address).status_code == 409


def test_taking_back_on_the_page(client, judgment, alice):
    client.force_login(alice)
    address = reverse("labeling:retract_answer", args=[judgment.pk])
    assert client.post(address, {"retract_key": "nonsense"}).status_code == 422
    page = client.post(address, {"retract_key": str(uuid.uuid4())}, follow=True).content.decode()
    assert "someone else judges that pair" in page
    assert Judgment.objects.get(supersedes=judgment).retracted


def test_without_an_answer_there_is_none_to_change(client, alice, campaign, fill):
    fill(campaign)
    client.force_login(alice)
    page = client.get(reverse("labeling:last_answer", args=[campaign.pk]), follow=True)
    assert "You have no answer in this campaign yet" in page.content.decode()


def test_someone_elses_answer_does_not_exist(client, judgment, bob, mallory):
    for who in (bob, mallory):
        client.force_login(who)
        assert client.get(reverse("labeling:change_answer", args=[judgment.pk])).status_code == 404
        address = reverse("labeling:retract_answer", args=[judgment.pk])
        assert client.post(address, {"retract_key": str(uuid.uuid4())}).status_code == 404
