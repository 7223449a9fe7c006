"""Labelers who ask, answer and give up at the same moment."""

import random
import uuid
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Judgment, Membership, Response
from labeling.services.assignments import claim_ahead, claim_next
from labeling.services.campaigns import add_members
from labeling.services.comparisons import create_comparisons
from labeling.services.judgments import Answer, record_judgment
from labeling.services.prompts import store_prompts
from tests.cast import person
from tests.threads import at_once

NOT_WAITING = "SET LOCAL synchronous_commit = off"


def answer(assignment, labeler, preference=1, *, key=None, now=None):
    return record_judgment(
        assignment=assignment,
        labeler=labeler,
        answer=Answer(preference=preference),
        client_key=key or uuid.uuid4(),
        seconds=1.0,
        now=now or timezone.now(),
    )


@pytest.mark.django_db(transaction=True)
def test_eight_labelers_at_once_never_exceed_the_overlap(campaign, fill):
    campaign.overlap = 3
    campaign.save()
    fill(campaign, 15)
    labelers = [person(f"labeler{n}") for n in range(8)]
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER)

    def label_until_nothing_is_left(labeler):
        while assignment := claim_next(labeler=labeler, campaign=campaign, now=timezone.now()):
            answer(assignment, labeler)

    # A labeler may find every open pair locked for an instant and stop: what is left is finished
    # by whoever asks next, so a second wave ends the work.
    at_once(label_until_nothing_is_left, labelers)
    at_once(label_until_nothing_is_left, labelers)

    answers = list(Judgment.objects.values_list("comparison", "labeler"))
    assert len(answers) == 45
    assert len(set(answers)) == 45, "someone judged a pair twice"
    assert set(Counter(comparison for comparison, _ in answers).values()) == {3}


@pytest.mark.django_db(transaction=True)
def test_eight_labelers_who_read_ahead_never_exceed_the_overlap_or_their_share(campaign, fill):
    campaign.overlap = 3
    campaign.save()
    fill(campaign, 20)
    labelers = [person(f"labeler{n}") for n in range(8)]
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER)
    most = 5

    def label_until_nothing_is_left(labeler):
        while claim_next(labeler=labeler, campaign=campaign, now=timezone.now()):
            held = claim_ahead(labeler=labeler, campaign=campaign, at_most=most, now=timezone.now())
            assert 1 <= len(held) <= most
            for assignment in held[:2]:
                answer(assignment, labeler)

    at_once(label_until_nothing_is_left, labelers)
    at_once(label_until_nothing_is_left, labelers)

    answers = list(Judgment.objects.values_list("comparison", "labeler"))
    assert len(answers) == len(set(answers)) == 60
    assert set(Counter(comparison for comparison, _ in answers).values()) == {3}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifty_labelers_who_die_at_random_leave_exactly_the_wanted_judgments(campaign, policy):
    """Each thread stops amid its work, over and over; what it held goes to others by its lease."""
    pairs, overlap = 1000, 3
    campaign.overlap = overlap
    campaign.save()
    _many_pairs(campaign, policy, pairs)
    labelers = [person(f"labeler{n}") for n in range(50)]
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER)
    start = timezone.now()

    def wave(labeler, now, dies):
        chance = random.Random(f"{labeler.pk} {now}")
        while True:
            held = claim_ahead(labeler=labeler, campaign=campaign, at_most=24, now=now)
            if not held:
                return
            for assignment in held:
                if dies and chance.random() < 0.06:
                    return  # killed: it neither answers nor gives back what it holds
                with suppress(errors.LeaseExpired):  # it went to someone else meanwhile
                    answer(assignment, labeler, chance.choice([-1, 1]), now=now)

    for hour in range(2):  # about sixteen answers a thread and hour: half of what is wanted
        now = start + timedelta(hours=hour)  # what the wave before left has run out
        at_once(partial(wave, now=now, dies=True), labelers)
        assert Judgment.objects.count() < pairs * overlap
        assert Assignment.objects.filter(answered_at=None, labeler__isnull=False).exists()
    while Judgment.objects.count() < pairs * overlap:
        now += timedelta(hours=1)
        before = Judgment.objects.count()
        at_once(partial(wave, now=now, dies=False), labelers)
        assert Judgment.objects.count() > before

    answers = list(Judgment.objects.values_list("comparison", "labeler"))
    assert len(answers) == 3000
    assert len(set(answers)) == 3000, "someone judged a pair twice"
    assert set(Counter(comparison for comparison, _ in answers).values()) == {overlap}


def _many_pairs(campaign, policy, count):
    prompts = store_prompts(
        ([{"role": "user", "content": f"Question {n}?"}], "") for n in range(count)
    )
    responses = Response.objects.bulk_create(
        Response(prompt=prompt, policy=policy, text=f"{side} answer.")
        for prompt in prompts
        for side in ("One", "Another")
    )
    create_comparisons(
        campaign=campaign, pairs=list(zip(responses[::2], responses[1::2], strict=True))
    )
    with connection.cursor() as cursor:  # as autovacuum does within a minute
        cursor.execute("ANALYZE")


@pytest.mark.django_db(transaction=True)
def test_two_tabs_opened_at_once_hold_one_pair(alice, campaign, fill):
    fill(campaign, 5)

    def open_a_tab(_):
        claim_next(labeler=alice, campaign=campaign, now=timezone.now())

    at_once(open_a_tab, range(6))
    assert Assignment.objects.filter(labeler=alice).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_tabs_reading_ahead_at_once_hold_no_more_than_one_would(alice, campaign, fill):
    fill(campaign, 20)

    def read_ahead(_):
        claim_ahead(labeler=alice, campaign=campaign, at_most=4, now=timezone.now())

    at_once(read_ahead, range(6))
    assert Assignment.objects.filter(labeler=alice).count() == 4


@pytest.mark.django_db(transaction=True)
def test_the_same_answer_sent_six_times_at_once_is_stored_once(alice, campaign, fill):
    fill(campaign)
    assignment = claim_next(labeler=alice, campaign=campaign, now=timezone.now())
    key = uuid.uuid4()

    def send(_):
        answer(assignment, alice, key=key)

    at_once(send, range(6))
    assert Judgment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_the_disk_only_within_a_transaction_of_somebody_else(
    alice, campaign, fill
):
    fill(campaign, 2)
    with CaptureQueriesContext(connection) as alone:
        claim_next(labeler=alice, campaign=campaign, now=timezone.now())
    assert [query["sql"] for query in alone].count(NOT_WAITING) == 1
    with transaction.atomic(), CaptureQueriesContext(connection) as within:
        claim_next(labeler=alice, campaign=campaign, now=timezone.now())
    assert NOT_WAITING not in [query["sql"] for query in within]
