"""Looking for work where hardly any is left: nothing is missed, nothing is walked over twice."""

import json
import random
import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import Assignment, Judgment, Search
from labeling.selectors.assignments import claimable_by, count_claimable, held_by, whole_search
from labeling.services.assignments import claim_ahead, claim_next, release
from labeling.services.care import set_opt_outs
from labeling.services.corrections import retract_answer
from labeling.services.judgments import Answer, record_judgment
from labeling.services.skips import skip_comparison
from tests.cast import judge

NOW = timezone.now()
LATER = NOW + timedelta(hours=1)  # when all the slots have been there for long


@pytest.fixture
def drained(alice, campaign, fill, monkeypatch):
    """A campaign in which alice had all the pairs; each lacks another opinion."""
    monkeypatch.setattr("labeling.selectors.assignments.OLDEST", 2)
    campaign.overlap = 2
    campaign.save()
    fill(campaign, 40)
    for _ in range(40):
        judge(alice, campaign, now=NOW)
    return campaign


def slots_looked_at(work) -> int:
    """For how many slots PostgreSQL asks, in all the queries of some work, who had their pair."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        work()
    looked = 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # these tables are small, real ones not
        for query in captured:
            if query["sql"].startswith("SELECT") and "labeling_skip" in query["sql"]:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query["sql"])
                plan = cursor.fetchone()[0]
                plan = json.loads(plan) if isinstance(plan, str) else plan
                looked += max(loops_of_subplans(plan[0]["Plan"]), default=0)
    return looked


def loops_of_subplans(plan):
    if plan.get("Parent Relationship") == "SubPlan":
        yield plan["Actual Loops"]
    for part in plan.get("Plans", []):
        yield from loops_of_subplans(part)


def search(labeler, campaign):
    return [place.first() for place in whole_search(labeler, campaign, LATER)]


def test_a_search_that_found_nothing_is_not_made_again(drained, alice):
    assert slots_looked_at(lambda: search(alice, drained)) >= 40
    assert claim_next(labeler=alice, campaign=drained, now=LATER) is None
    assert slots_looked_at(lambda: search(alice, drained)) <= 2


def test_a_search_that_found_something_is_not_made_again_either(drained, alice, fill):
    [*_, new] = fill(drained, 1)
    drained.comparisons.update(created_at=NOW)
    held = claim_ahead(labeler=alice, campaign=drained, at_most=4, now=LATER)
    assert [slot.comparison for slot in held] == [new.comparison]
    assert slots_looked_at(lambda: search(alice, drained)) <= 4
    assert count_claimable(alice, drained, LATER, 500) == 0


def test_an_opt_out_that_is_undone_makes_an_earlier_search_void(alice, campaign, fill):
    fill(campaign, 3)  # about prompts of the category "facts"
    set_opt_outs(labeler=alice, categories=["facts"], now=LATER)
    assert claim_next(labeler=alice, campaign=campaign, now=LATER) is None
    assert Search.objects.get().up_to
    set_opt_outs(labeler=alice, categories=[], now=LATER)
    assert claim_next(labeler=alice, campaign=campaign, now=LATER)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_nothing_that_could_be_taken_is_missed(
    alice, bob, carol, campaign, fill, monkeypatch, seed
):
    """A random history, after each step of which a labeler finds work exactly if there is some."""
    monkeypatch.setattr("labeling.selectors.assignments.OLDEST", 1)
    chance = random.Random(seed)
    campaign.overlap = 2
    campaign.save()
    fill(campaign, 6)
    now = LATER
    for _ in range(80):
        now += timedelta(minutes=chance.choice([1, 5, 12]))
        labeler = chance.choice([alice, bob, carol])
        step(chance, labeler, campaign, fill, now)
        for who in (alice, bob, carol):
            there = claimable_by(who, campaign, now).count()
            assert count_claimable(who, campaign, now, 50) == there
            if not held_by(who, campaign).exists():
                found = claim_next(labeler=who, campaign=campaign, now=now)
                assert (found is not None) == (there > 0)
                if found is not None and chance.random() < 0.5:
                    release(assignment=found, labeler=who, now=now)


def step(chance, labeler, campaign, fill, now: datetime) -> None:
    """One thing that people do in a campaign, if it can be done now."""
    key = uuid.uuid4()
    held = held_by(labeler, campaign).first()
    what = chance.choice(["answer", "answer", "skip", "release", "ahead", "retract", "add"])
    if what == "add" and campaign.comparisons.count() < 14:
        fill(campaign, 1)
        campaign.comparisons.update(created_at=now - timedelta(hours=1))
    elif what == "ahead":
        claim_ahead(labeler=labeler, campaign=campaign, at_most=3, now=now)
    elif what == "retract":
        given = Judgment.objects.filter(
            labeler=labeler, superseded_by=None, retracted=False
        ).first()
        if given:
            retract_answer(judgment=given, labeler=labeler, client_key=key, now=now)
    elif held is None:
        return
    elif what == "release":
        release(assignment=held, labeler=labeler, now=now)
    elif what == "skip":
        skip_comparison(
            assignment=held, labeler=labeler, reason="unclear", note="", client_key=key, now=now
        )
    elif what == "answer":
        record_judgment(
            assignment=held,
            labeler=labeler,
            answer=Answer(preference=1),
            client_key=key,
            seconds=1.0,
            now=now,
        )
    assert Assignment.objects.filter(answered_at__isnull=False, labeler=None).count() == 0
