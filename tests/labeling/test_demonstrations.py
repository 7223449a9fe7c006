"""Ideal answers by labelers: who gets which prompt, what is stored, and what the database holds."""

import uuid
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Campaign,
    Demonstration,
    DemonstrationSkip,
    DemonstrationSlot,
    OptOut,
)
from labeling.selectors.campaigns import first_with_work, progress
from labeling.selectors.demonstrations import current_demonstrations, writing
from labeling.selectors.spending import promised, spent
from labeling.services.campaigns import add_members, change_status
from labeling.services.demonstrations import (
    change_demonstration,
    claim_prompt,
    edit_better,
    record_demonstration,
    renew_lease,
    skip_prompt,
    want_demonstrations,
)
from tests.cast import ask, judge, pair, person, write
from tests.threads import at_once

NOW = timezone.now()


@pytest.fixture
def held(alice, writing_campaign):
    return claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW)


@pytest.fixture
def offered(writing_campaign, policy, alice):
    """A slot held by alice that offers two responses to start from."""
    prompt = ask("Why is the sky blue?")
    responses = pair(prompt, policy, "It reflects the sea.", "Air scatters blue light.")
    DemonstrationSlot.objects.all().delete()
    want_demonstrations(campaign=writing_campaign, prompts=[prompt], offers={prompt.pk: responses})
    return claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW)


def record(slot, labeler, text="Because.", key=None, started_from=None, now=NOW):
    return record_demonstration(
        slot=slot,
        labeler=labeler,
        text=text,
        started_from=started_from,
        client_key=key or uuid.uuid4(),
        seconds=12.5,
        now=now,
    )


def skip(slot, labeler, key=None):
    return skip_prompt(
        slot=slot,
        labeler=labeler,
        reason="unclear",
        note="",
        client_key=key or uuid.uuid4(),
        now=NOW,
    )


def test_a_labeler_gets_a_prompt_and_no_second_one_before_answering(alice, held, writing_campaign):
    assert claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW) == held
    assert held.leased_until == NOW + timedelta(minutes=30)
    record(held, alice)
    following = claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW)
    assert following.prompt != held.prompt


def test_each_prompt_gets_exactly_as_many_answers_as_are_wanted(alice, bob, writing_campaign):
    for labeler in (alice, bob, alice, bob):
        if claim_prompt(labeler=labeler, campaign=writing_campaign, now=NOW):
            write(labeler, writing_campaign)
    assert claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW) is None
    counts = Counter(Demonstration.objects.values_list("prompt", flat=True))
    assert set(counts.values()) == {1}
    assert len(counts) == 3


def test_nobody_answers_one_prompt_twice(alice, bob, writing_campaign):
    prompt = ask("Asked of two?")
    writing_campaign.overlap = 2
    DemonstrationSlot.objects.all().delete()
    want_demonstrations(campaign=writing_campaign, prompts=[prompt], offers={})
    write(alice, writing_campaign)
    assert claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW) is None
    write(bob, writing_campaign)
    assert writing(writing_campaign).written == 2


def test_asking_again_for_the_same_prompts_changes_nothing(writing_campaign):
    prompts = writing_campaign.prompts.all()
    assert want_demonstrations(campaign=writing_campaign, prompts=prompts, offers={}) == 0


def test_opening_a_campaign_without_policies_asks_for_its_prompts(campaign):
    campaign.kind, campaign.status = Campaign.Kind.DEMONSTRATION, Campaign.Status.DRAFT
    campaign.save()
    campaign.prompts.add(ask("One?"), ask("Two?"))
    change_status(campaign=campaign, to=Campaign.Status.OPEN)
    assert writing(campaign).wanted == 2


def test_progress_counts_prompts_and_work_waits_until_all_are_answered(
    alice, bob, writing_campaign
):
    write(alice, writing_campaign)
    claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW)
    seen = progress(writing_campaign)
    assert (seen.comparisons, seen.complete, seen.wanted, seen.answered, seen.leased) == (
        *(3, 1),
        *(3, 1, 1),
    )
    assert first_with_work(alice, NOW) == writing_campaign
    write(alice, writing_campaign)
    assert first_with_work(alice, NOW) is None
    assert first_with_work(bob, NOW) == writing_campaign, "who holds one"


@pytest.mark.django_db(transaction=True)
def test_many_labelers_at_once_never_write_more_than_is_wanted(writing_campaign):
    writing_campaign.overlap = 2
    prompts = [ask(f"Race {n}?") for n in range(6)]
    want_demonstrations(campaign=writing_campaign, prompts=prompts, offers={})
    people = [person(f"writer{n}") for n in range(6)]
    add_members(campaign=writing_campaign, users=people, role="labeler")
    wanted = writing(writing_campaign).wanted

    def work(labeler):
        while claim_prompt(labeler=labeler, campaign=writing_campaign, now=timezone.now()):
            write(labeler, writing_campaign)

    at_once(work, people)
    for labeler in people:  # what was locked by another at that moment is left for a second look
        work(labeler)
    assert Demonstration.objects.count() == wanted
    assert len(set(Demonstration.objects.values_list("prompt", "labeler"))) == wanted


def test_an_answer_sent_again_is_stored_once_and_another_one_refused(held, alice):
    key = uuid.uuid4()
    assert record(held, alice, key=key) == record(held, alice, key=key)
    with pytest.raises(errors.KeyReused):
        record(held, alice, "Something else.", key=key)
    with pytest.raises(errors.PromptAnswered):
        record(held, alice)
    assert Demonstration.objects.count() == 1


def test_a_lease_that_ran_out_costs_nothing_while_a_place_is_free(held, alice):
    late = NOW + timedelta(hours=3)
    assert record(held, alice, now=late).seconds == 12.5


def test_writing_renews_a_lease_half_way_for_whoever_holds_the_prompt(held, alice, bob):
    half = timedelta(minutes=held.campaign.lease_minutes) / 2
    ends = held.leased_until
    renew_lease(slot=held, labeler=alice, now=NOW + half / 2)
    renew_lease(slot=held, labeler=bob, now=NOW + 1.5 * half)
    held.refresh_from_db()
    assert held.leased_until == ends
    renew_lease(slot=held, labeler=alice, now=NOW + 1.5 * half)
    held.refresh_from_db()
    assert held.leased_until == ends + 1.5 * half


def test_a_place_that_went_to_someone_else_is_said_and_nothing_is_stored(
    held, alice, bob, writing_campaign
):
    late = NOW + timedelta(hours=3)
    DemonstrationSlot.objects.exclude(pk=held.pk).delete()
    assert claim_prompt(labeler=bob, campaign=writing_campaign, now=late) == held
    with pytest.raises(errors.PromptTaken, match="your text is kept"):
        record(held, alice, now=late)
    assert not Demonstration.objects.exists()


def test_an_answer_whose_place_is_lost_goes_into_another_of_its_prompt(
    held, alice, bob, writing_campaign
):
    late = NOW + timedelta(hours=3)
    other = DemonstrationSlot.objects.create(campaign=writing_campaign, prompt=held.prompt, slot=1)
    DemonstrationSlot.objects.exclude(pk__in=[held.pk, other.pk]).delete()
    claim_prompt(labeler=bob, campaign=writing_campaign, now=late)
    assert record(held, alice, now=late).slot == other


def test_a_skipped_prompt_is_free_for_others_and_never_comes_back(
    held, alice, bob, writing_campaign
):
    key = uuid.uuid4()
    assert skip(held, alice, key) == skip(held, alice, key)
    assert DemonstrationSkip.objects.count() == 1
    assert claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW) != held
    assert claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW) == held
    with pytest.raises(errors.PromptSkipped):
        record(held, alice)


def test_a_closed_campaign_takes_no_answer_and_a_paused_one_what_was_begun(
    held, alice, writing_campaign
):
    change_status(campaign=writing_campaign, to=Campaign.Status.PAUSED)
    paused = DemonstrationSlot.objects.get(pk=held.pk)
    assert claim_prompt(labeler=alice, campaign=paused.campaign, now=NOW) is None
    record(paused, alice)
    change_status(campaign=writing_campaign, to=Campaign.Status.CLOSED)
    with pytest.raises(errors.CampaignNotOpen):
        record(DemonstrationSlot.objects.exclude(pk=held.pk).first(), alice)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  \n ", "Write the answer first."),
        ("a" * 50_001, "longer than 50,000 characters"),
        ("a\x00b", "NUL character"),
    ],
)
def test_an_answer_that_can_not_be_stored_is_refused_in_one_sentence(held, alice, text, sentence):
    with pytest.raises(errors.DemonstrationRefused, match=sentence):
        record(held, alice, text)


def test_an_answer_says_which_response_it_was_made_from(offered, alice):
    made = record(offered, alice, "Air scatters blue light most.", started_from=offered.second_id)
    assert made.started_from == offered.second


def test_only_an_offered_response_may_be_started_from(offered, alice, policy):
    [other, _] = pair(ask("Another?"), policy, "A.", "B.")
    with pytest.raises(errors.DemonstrationRefused, match="not offered"):
        record(offered, alice, started_from=other.pk)


def test_a_second_version_supersedes_the_first_and_both_are_kept(held, alice, writing_campaign):
    first = record(held, alice)
    key = uuid.uuid4()

    def change(text, key):
        return change_demonstration(
            demonstration=first,
            labeler=alice,
            text=text,
            started_from=None,
            client_key=key,
            seconds=1.0,
            now=NOW,
        )

    assert change("Because.", key) == first
    second = change("Because it is.", key)
    assert change("Because it is.", key) == second
    with pytest.raises(errors.AnswerChanged):
        change("Because it was.", uuid.uuid4())
    assert list(current_demonstrations(writing_campaign)) == [second]
    assert Demonstration.objects.count() == 2


def test_nobody_changes_the_demonstration_of_another(held, alice, bob):
    with pytest.raises(errors.NotYours):
        change_demonstration(
            demonstration=record(held, alice),
            labeler=bob,
            text="Mine.",
            started_from=None,
            client_key=uuid.uuid4(),
            seconds=None,
            now=NOW,
        )


def test_the_better_response_of_a_judged_pair_is_edited_where_the_campaign_asks_for_it(
    alice, bob, campaign, fill
):
    fill(campaign)
    judgment = judge(alice, campaign, preference=2)
    with pytest.raises(errors.NothingToEdit):
        edit_better(judgment=judgment, labeler=alice, now=NOW)
    campaign.edits_better = True
    campaign.save()
    judgment.comparison.campaign.refresh_from_db()
    with pytest.raises(errors.NothingToEdit):
        edit_better(judgment=judgment, labeler=bob, now=NOW)
    slot = edit_better(judgment=judgment, labeler=alice, now=NOW)
    assert edit_better(judgment=judgment, labeler=alice, now=NOW) == slot
    better = judgment.comparison.second
    assert slot.offered == [better]
    made = record(slot, alice, "Better still.", started_from=better.pk)
    assert (made.campaign, made.prompt) == (campaign, better.prompt)
    with pytest.raises(errors.PromptAnswered):
        edit_better(judgment=judgment, labeler=alice, now=NOW)
    assert claim_prompt(labeler=bob, campaign=campaign, now=NOW + timedelta(days=1)) is None


def test_what_a_labeler_opted_out_of_is_not_given_to_them(alice, bob, writing_campaign):
    OptOut.objects.create(labeler=alice, category="facts")  # the category of these prompts
    assert claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW) is None
    assert claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW)


def test_prompts_with_content_warnings_count_against_the_daily_limit(alice, writing_campaign):
    writing_campaign.content_warnings, writing_campaign.exposure_cap = ["violence"], 2
    writing_campaign.save()
    write(alice, writing_campaign)
    skip(claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW), alice)
    with pytest.raises(errors.ExposureReached):
        claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW)


def test_the_budget_and_the_daily_quota_hold_for_answers_too(alice, bob, writing_campaign):
    writing_campaign.price, writing_campaign.budget = Decimal("2.5"), Decimal("5")
    writing_campaign.save()
    write(alice, writing_campaign)
    claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW)
    assert (spent(writing_campaign), promised(writing_campaign)) == (Decimal("2.5"),) * 2
    with pytest.raises(errors.BudgetSpent):
        claim_prompt(labeler=alice, campaign=writing_campaign, now=NOW)
    late = NOW + timedelta(hours=2)
    assert claim_prompt(labeler=alice, campaign=writing_campaign, now=late), "promised to bob"
    assert promised(writing_campaign) == Decimal("2.5")

    writing_campaign.price = writing_campaign.budget = None
    writing_campaign.daily_quota = 1
    writing_campaign.save()
    write(bob, writing_campaign)
    with pytest.raises(errors.QuotaReached):
        claim_prompt(labeler=bob, campaign=writing_campaign, now=NOW)


class TestDatabase:
    """What holds whatever the code does."""

    def refused(self, **values):
        usual = {"text": "T.", "author_kind": "person", "client_key": uuid.uuid4()}
        with pytest.raises(IntegrityError) as problem:
            self.store(**{**usual, **values})
        return str(problem.value)

    @transaction.atomic
    def store(self, **values):
        Demonstration.objects.create(**values)
        connection.check_constraints()

    def test_a_demonstration_comes_from_exactly_one_place(self, held, writing_campaign, policy):
        where = {"campaign": writing_campaign, "prompt": held.prompt}
        assert "comes_from_one_place" in self.refused(**where)
        both = {"slot": held, "labeler": held.labeler, "policy": policy}
        assert "comes_from_one_place" in self.refused(**where, **both)
        assert "comes_from_one_place" in self.refused(**where, policy=policy)  # not an AI's

    def test_a_demonstration_is_about_its_slot_by_its_labeler_and_of_their_kind(
        self, held, bob, writing_campaign, policy
    ):
        mine = {"campaign": writing_campaign, "slot": held, "labeler": held.labeler}
        assert "about_its_slots_prompt" in self.refused(prompt=ask("Another?"), **mine)
        assert "by_the_one_who_held" in self.refused(prompt=held.prompt, **mine | {"labeler": bob})
        assert "labelers_kind" in self.refused(prompt=held.prompt, author_kind="simulation", **mine)
        [other, _] = pair(ask("Another?"), policy, "A.", "B.")
        assert "answer_to_its_prompt" in self.refused(
            prompt=held.prompt, started_from=other, **mine
        )

    def test_what_an_answer_cost_never_changes(self, held, alice):
        record(held, alice)
        slots = DemonstrationSlot.objects.filter(pk=held.pk)
        with pytest.raises(IntegrityError, match="what an answer cost"), transaction.atomic():
            slots.update(price=7)

    def test_a_slot_is_answered_once_and_nothing_is_ever_changed(self, held, alice):
        made = record(held, alice)
        assert "slot_answered_once" in self.refused(
            campaign=held.campaign, prompt=held.prompt, slot=held, labeler=alice
        )
        for act in (made.delete, lambda: made.save(force_update=True)):
            with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
                act()
