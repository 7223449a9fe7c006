import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Campaign, Judgment, Membership
from labeling.services.assignments import (
    MOST_HELD,
    claim_ahead,
    claim_next,
    release,
    release_unused,
)
from labeling.services.campaigns import add_members
from labeling.services.judgments import Answer, record_judgment
from tests.cast import judge

NOW = timezone.now()


def test_a_labeler_gets_a_pair_and_no_second_one_before_answering(alice, campaign, fill):
    fill(campaign, 2)
    first = claim_next(labeler=alice, campaign=campaign, now=NOW)
    again = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert first == again
    assert first.leased_until == NOW + timedelta(minutes=30)


def test_work_that_ran_out_of_time_goes_to_someone_else(alice, bob, campaign, fill):
    fill(campaign)
    taken = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert claim_next(labeler=bob, campaign=campaign, now=NOW) is None
    late = NOW + timedelta(minutes=31)
    assert claim_next(labeler=bob, campaign=campaign, now=late) == taken


def test_work_given_back_is_free_at_once(alice, bob, campaign, fill):
    fill(campaign)
    taken = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert not release(assignment=taken, labeler=bob, now=NOW)
    assert release(assignment=taken, labeler=alice, now=NOW)
    assert claim_next(labeler=bob, campaign=campaign, now=NOW) == taken


def test_a_labeler_never_sees_the_same_pair_twice(alice, campaign, fill):
    campaign.overlap = 2
    fill(campaign)
    judge(alice, campaign)
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None


def test_a_paused_campaign_gives_out_no_work(alice, campaign, fill):
    fill(campaign)
    campaign.status = Campaign.Status.PAUSED
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None


def test_sides_are_balanced_within_a_pair_and_over_pairs(campaign, fill):
    campaign.overlap = 2
    slots = fill(campaign, 20)
    by_pair = Counter(slot.comparison_id for slot in slots if slot.first_on_left)
    assert set(by_pair.values()) == {1}
    assert sum(slot.first_on_left for slot in slots if slot.slot == 0) == 10


class TestAnswers:
    @pytest.fixture
    def assignment(self, alice, campaign, fill):
        fill(campaign)
        return claim_next(labeler=alice, campaign=campaign, now=NOW)

    def answer(self, assignment, labeler, answer=None, key=None, now=NOW):
        return record_judgment(
            assignment=assignment,
            labeler=labeler,
            answer=answer or Answer(preference=-2),
            client_key=key or uuid.uuid4(),
            seconds=4.0,
            now=now,
        )

    def test_sides_are_translated_into_the_pair(self):
        left = Answer.from_sides(towards_right=-2, first_on_left=True)
        swapped = Answer.from_sides(towards_right=-2, first_on_left=False)
        assert (left.preference, swapped.preference) == (-2, 2)

    def test_an_expired_lease_costs_nothing_while_nobody_took_the_pair(self, assignment, alice):
        assert self.answer(assignment, alice, now=NOW + timedelta(hours=5)).pk

    def test_an_expired_lease_that_someone_took_is_refused(self, assignment, alice, bob, campaign):
        late = NOW + timedelta(hours=5)
        claim_next(labeler=bob, campaign=campaign, now=late)
        with pytest.raises(errors.LeaseExpired):
            self.answer(assignment, alice, now=late)

    def test_a_second_answer_is_refused(self, assignment, alice):
        self.answer(assignment, alice)
        with pytest.raises(errors.AlreadyAnswered):
            self.answer(assignment, alice)

    def test_a_key_sent_again_returns_the_first_answer(self, assignment, alice):
        key = uuid.uuid4()
        first = self.answer(assignment, alice, key=key)
        assert self.answer(assignment, alice, key=key) == first

    def test_a_key_sent_again_with_another_answer_is_refused(self, assignment, alice):
        key = uuid.uuid4()
        self.answer(assignment, alice, key=key)
        with pytest.raises(errors.KeyReused):
            self.answer(assignment, alice, Answer(preference=1), key=key)

    def test_someone_elses_pair_is_refused(self, assignment, bob):
        with pytest.raises(errors.LeaseExpired):
            self.answer(assignment, bob)

    def test_a_closed_campaign_takes_no_answers(self, assignment, alice, campaign):
        Campaign.objects.update(status=Campaign.Status.CLOSED)
        with pytest.raises(errors.CampaignNotOpen):
            self.answer(assignment, alice)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(preference=4),  # the scale ends at 3
            Answer(preference=0),
            Answer(preference=1, equal="tie"),
            Answer(preference=0, equal="both_good"),  # this campaign does not offer it
            Answer(preference=0, equal="banana"),
            Answer(preference=1, flags=["invented"]),
            Answer(preference=1, aspects={"invented": 1}),
            Answer(preference=1, rationale="x" * 10_001),
        ],
    )
    def test_what_the_campaign_does_not_offer_is_refused(self, assignment, alice, answer):
        with pytest.raises(errors.AnswerNotOffered):
            self.answer(assignment, alice, answer)
        assert not Judgment.objects.exists()

    def test_a_simulated_labeler_is_marked_as_one(self, campaign, fill, simon):
        add_members(campaign=campaign, users=[simon], role=Membership.Role.LABELER)
        fill(campaign)
        assert judge(simon, campaign).judge_kind == Judgment.JudgeKind.SIMULATION


class TestRulesOfTheDatabase:
    """What holds even against code that forgets the services."""

    @pytest.fixture
    def judgment(self, alice, campaign, fill):
        fill(campaign)
        return judge(alice, campaign)

    def refused(self, change):
        def change_and_check() -> None:
            with transaction.atomic():
                change()
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(IntegrityError):
            change_and_check()

    def copy(self, judgment, **changes):
        judgment = Judgment.objects.get(pk=judgment.pk)
        judgment.pk, judgment.client_key, judgment._state.adding = None, uuid.uuid4(), True
        for name, value in changes.items():
            setattr(judgment, name, value)
        return judgment

    def test_a_judgment_is_never_changed(self, judgment):
        self.refused(lambda: Judgment.objects.update(preference=3))

    def test_a_judgment_is_never_deleted(self, judgment):
        self.refused(lambda: Judgment.objects.all()._raw_delete("default"))

    def test_a_slot_is_answered_once(self, judgment):
        self.refused(self.copy(judgment).save)

    def test_an_answer_is_superseded_once(self, judgment):
        self.copy(judgment, supersedes=judgment, preference=2).save()
        self.refused(self.copy(judgment, supersedes=judgment, preference=3).save)

    def test_a_preference_can_not_be_a_tie_too(self, judgment):
        self.refused(self.copy(judgment, supersedes=judgment, equal="tie").save)

    def test_a_person_can_not_be_passed_off_as_a_simulation(self, judgment):
        self.refused(self.copy(judgment, supersedes=judgment, judge_kind="simulation").save)

    def test_a_judgment_is_by_the_one_it_was_assigned_to(self, judgment, bob):
        self.refused(self.copy(judgment, supersedes=judgment, labeler=bob).save)

    def test_a_comparison_is_between_answers_to_one_prompt(self, judgment, fill, campaign):
        fill(campaign, 1)
        one, other = campaign.comparisons.order_by("id")
        one.pk, one.second = None, other.first
        self.refused(one.save)

    def test_the_same_two_responses_meet_once_in_a_campaign(self, judgment):
        comparison = judgment.comparison
        comparison.pk = None
        comparison.first, comparison.second = comparison.second, comparison.first
        self.refused(comparison.save)

    def test_a_labeler_holds_one_slot_of_a_comparison(self, judgment, alice):
        twin = judgment.assignment
        twin.pk, twin.slot = None, 1
        self.refused(twin.save)


class TestReadingAhead:
    def ahead(self, labeler, campaign, at_most=24, now=NOW):
        return claim_ahead(labeler=labeler, campaign=campaign, at_most=at_most, now=now)

    def test_a_labeler_holds_so_many_pairs_oldest_first_and_no_more(self, alice, campaign, fill):
        slots = fill(campaign, 40)
        shown = claim_next(labeler=alice, campaign=campaign, now=NOW)
        assert self.ahead(alice, campaign, 2) == slots[:2]
        assert self.ahead(alice, campaign, 100) == slots[:MOST_HELD]
        assert self.ahead(alice, campaign, 100) == slots[:MOST_HELD]
        assert claim_next(labeler=alice, campaign=campaign, now=NOW) == shown

    def test_each_other_labeler_is_left_something(self, alice, bob, campaign, fill):
        fill(campaign, 5)
        assert len(self.ahead(alice, campaign)) == 4
        assert claim_next(labeler=bob, campaign=campaign, now=NOW)

    def test_the_last_pair_is_given_to_who_holds_none(self, alice, campaign, fill):
        fill(campaign, 1)
        assert len(self.ahead(alice, campaign)) == 1

    def test_two_slots_of_one_pair_do_not_come_to_one_labeler(self, alice, campaign, fill):
        campaign.overlap = 3
        fill(campaign, 4)
        pairs = [assignment.comparison_id for assignment in self.ahead(alice, campaign)]
        assert len(pairs) == len(set(pairs)) == 4

    def test_asking_again_leases_everything_anew(self, alice, campaign, fill):
        fill(campaign, 4)
        self.ahead(alice, campaign, 3)
        later = NOW + timedelta(minutes=20)
        ends = {a.leased_until for a in self.ahead(alice, campaign, 3, now=later)}
        assert ends == {later + timedelta(minutes=30)}

    def test_what_is_left_unused_is_free_again_unless_another_page_leased_it(
        self, alice, bob, campaign, fill
    ):
        fill(campaign, 6)
        held = self.ahead(alice, campaign, 3)
        pks, until = [assignment.pk for assignment in held], held[0].leased_until
        give = {"campaign": campaign, "pks": pks[1:], "until": until, "now": NOW}
        assert release_unused(labeler=bob, **give) == 0
        self.ahead(alice, campaign, 3, now=NOW + timedelta(seconds=1))
        assert release_unused(labeler=alice, **give) == 0
        give["until"] = until + timedelta(seconds=1)
        assert release_unused(labeler=alice, **give) == 2
        assert Assignment.objects.filter(labeler=alice).count() == 1

    def test_what_was_answered_is_not_given_back(self, alice, campaign, fill):
        fill(campaign, 4)
        held = self.ahead(alice, campaign, 2)
        until = held[0].leased_until
        judge(alice, campaign)
        pks = [assignment.pk for assignment in held]
        assert release_unused(labeler=alice, campaign=campaign, pks=pks, until=until, now=NOW) == 1
        assert Assignment.objects.get(pk=pks[0]).labeler == alice

    def test_a_paused_campaign_gives_nothing_ahead(self, alice, campaign, fill):
        fill(campaign, 4)
        campaign.status = Campaign.Status.PAUSED
        assert self.ahead(alice, campaign) == []


def test_a_labeler_who_had_the_oldest_open_pairs_finds_those_behind_them(
    alice, bob, campaign, fill, monkeypatch
):
    monkeypatch.setattr("labeling.selectors.assignments.OLDEST", 2)
    campaign.overlap = 2
    campaign.save()
    slots = fill(campaign, 6)
    had = [judge(alice, campaign).comparison_id for _ in range(5)]
    following = claim_next(labeler=alice, campaign=campaign, now=NOW)
    assert following.comparison_id not in had
    assert following in slots


def test_a_slot_given_back_far_behind_is_taken_before_nothing_is(
    alice, bob, campaign, fill, monkeypatch
):
    monkeypatch.setattr("labeling.selectors.assignments.OLDEST", 1)
    campaign.overlap = 2
    campaign.save()
    fill(campaign, 4)
    held = claim_next(labeler=bob, campaign=campaign, now=NOW)
    Assignment.objects.filter(comparison=held.comparison).exclude(pk=held.pk).delete()
    for _ in range(3):
        judge(alice, campaign, now=NOW)
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) is None
    release(assignment=held, labeler=bob, now=NOW)
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) == held


@pytest.mark.django_db(transaction=True)
def test_a_slot_cannot_be_in_another_campaign_than_its_comparison(campaign, fill, carol):
    [slot] = fill(campaign)
    other = Campaign.objects.create(name="Other", created_by=carol)
    with pytest.raises(IntegrityError, match="assignment_is_in_its_comparisons_campaign"):
        Assignment.objects.filter(pk=slot.pk).update(campaign=other)
