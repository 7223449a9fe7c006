"""Tallies: sums over judgments that the database keeps right, whatever happens."""

import random
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Campaign, Membership, Tally
from labeling.selectors.judgments import standing_answers_of
from labeling.services.campaigns import add_members
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.judgments import Answer
from labeling.services.withdrawals import withdraw
from tests.cast import group, imported_judgment, judge, person, rank
from tests.threads import at_once

TRUTH = """
SELECT campaign_id, judge_kind, labeler_id, day, answers, round(seconds::numeric, 6), cost
FROM {} ORDER BY 1, 2, 3 NULLS FIRST, 4
"""


def rows(table):
    with connection.cursor() as cursor:
        cursor.execute(TRUTH.format(table))
        return cursor.fetchall()


def test_tallies_stay_what_the_judgments_say_through_answers_changes_and_retractions(
    campaign, fill, alice, bob
):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2, price=Decimal("0.25"))
    campaign.refresh_from_db()
    fill(campaign, 30)
    chance, now = random.Random(3), timezone.now()
    for step in range(50):
        who = chance.choice([alice, bob])
        now += timedelta(hours=chance.choice([0, 7]))
        mine = list(standing_answers_of(who))
        done = chance.random()
        if done < 0.6 or not mine:
            judge(who, campaign, chance.choice([-1, 1]), now=now)
        elif done < 0.85:
            change_answer(
                judgment=chance.choice(mine), labeler=who, answer=Answer(preference=2),
                client_key=uuid.uuid4(), seconds=2.5, now=now,
            )  # fmt: skip
        else:
            retract_answer(
                judgment=chance.choice(mine), labeler=who, client_key=uuid.uuid4(), now=now
            )
        if step % 10 == 9:
            kept = [row for row in rows("labeling_tally") if any(row[4:])]
            assert kept == [row for row in rows("labeling_tally_truth") if any(row[4:])]
    whole = Tally.objects.filter(campaign=campaign)
    assert sum(t.answers for t in whole) == (
        standing_answers_of(alice).count() + standing_answers_of(bob).count()
    )
    assert all(tally.cost % Decimal("0.25") == 0 for tally in whole)


def test_what_is_withdrawn_is_no_answer_any_more_and_was_paid_all_the_same(
    campaign, fill, alice, bob
):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2, price=Decimal("0.25"))
    campaign.refresh_from_db()
    fill(campaign, 3)
    for _ in range(3):
        judge(alice, campaign)
    judge(bob, campaign)
    newest = standing_answers_of(alice).first()
    change_answer(
        judgment=newest, labeler=alice, answer=Answer(preference=2), client_key=uuid.uuid4(),
        seconds=1.0, now=timezone.now(),
    )  # fmt: skip
    withdraw(labeler=alice, now=timezone.now())
    judge(bob, campaign)
    tallies = Tally.objects.filter(campaign=campaign).values_list("labeler", "answers", "cost")
    assert sorted(tallies) == [(alice.pk, 0, Decimal("0.75")), (bob.pk, 2, Decimal("0.50"))]
    assert rows("labeling_tally") == rows("labeling_tally_truth")


def test_a_ranking_is_one_answer_and_checks_of_the_labeler_are_none(ranked, policy, alice, client):
    group(ranked, policy, "Which is best?", ["A.", "B.", "C.", "D."])
    rank(alice, ranked, [1, 2, 3, 3])
    assert Tally.objects.get().answers == 1
    Campaign.objects.filter(pk=ranked.pk).update(
        repeat_share=1.0, repeat_after_days=0, price=Decimal("0.10")
    )
    ranked.refresh_from_db()
    rank(alice, ranked, [1, 2, 3, 3])
    tally = Tally.objects.get()
    assert (tally.answers, tally.seconds, tally.cost) == (1, 18.0, Decimal("0.10"))
    assert rows("labeling_tally") == rows("labeling_tally_truth")


def test_rebuilding_changes_nothing(campaign, fill, alice, policy):
    fill(campaign, 3)
    judge(alice, campaign)
    before = rows("labeling_tally")
    assert before
    with connection.cursor() as cursor:
        cursor.execute("SELECT labeling_tally_rebuild()")
    assert rows("labeling_tally") == before


def test_imported_judgments_are_tallied_without_a_labeler(campaign, policy):
    from tests.cast import ask, pair

    imported_judgment(campaign, pair(ask("Why?"), policy, "Because.", "No."), -1)
    [tally] = Tally.objects.all()
    assert (tally.labeler, tally.answers, tally.judge_kind) == (None, 1, "person")


@pytest.mark.django_db(transaction=True)
def test_labelers_at_work_at_once_lose_no_count(campaign, fill):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=4)
    campaign.refresh_from_db()
    people = [person(f"p{n}") for n in range(4)]
    add_members(campaign=campaign, users=people, role=Membership.Role.LABELER)
    fill(campaign, 8)

    def work(who):
        for _ in range(8):
            judge(who, campaign)

    at_once(work, people)
    assert sorted(Tally.objects.values_list("labeler", "answers")) == sorted(
        (who.pk, 8) for who in people
    )
    assert rows("labeling_tally") == rows("labeling_tally_truth")
