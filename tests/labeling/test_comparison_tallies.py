"""What was asked and said about comparisons, and its sums: the database keeps them right."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.utils import timezone

from labeling.models import (
    Assignment,
    Campaign,
    CampaignTally,
    ComparisonTally,
    Hold,
    Judgment,
    Membership,
)
from labeling.selectors.campaigns import progress
from labeling.selectors.judgments import current_judgments, standing_answers_of
from labeling.selectors.tallies import judged_comparisons
from labeling.services.assignments import claim_next
from labeling.services.campaigns import add_members
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.holds import lift_hold, place_hold
from labeling.services.judgments import Answer
from labeling.services.skips import skip_comparison
from labeling.services.withdrawals import withdraw
from tests.cast import ask, group, imported_judgment, judge, pair, person, rank

KINDS = [
    ["person"],
    ["ai"],
    ["person", "simulation"],
    ["person", "ai", "simulation"],
]


def rows(table):
    """Tallies that say something: (comparison, its counts)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT comparison_id, slots, open, skips, people, simulations, ais, imported "
            f"FROM {table} ORDER BY 1"
        )
        return [row for row in cursor.fetchall() if any(row[1:])]


def read_one_by_one(campaign, kinds):
    return current_judgments(campaign, kinds).values("comparison").distinct().count()


def assert_right(campaign):
    assert rows("labeling_comparisontally") == rows("labeling_comparisontally_truth")
    for kinds in KINDS:
        assert judged_comparisons(campaign, kinds) == read_one_by_one(campaign, kinds)
    slots = Assignment.objects.filter(campaign=campaign, purpose=Assignment.Purpose.DATA)
    still = slots.filter(answered_at__isnull=True)
    asked = slots.values("comparison").distinct().count()
    stands = progress(campaign)
    assert (
        stands.comparisons
        == asked
        + campaign.comparisons.filter(judgments__imported_from__isnull=False).distinct().count()
    )
    assert stands.complete == asked - still.values("comparison").distinct().count()
    assert stands.wanted - stands.answered == still.count()
    assert stands.leased == still.filter(labeler__isnull=False).count()
    assert stands.skipped == sum(c.skips.count() for c in campaign.comparisons.all())


def pass_on(labeler, campaign):
    now = timezone.now()
    assignment = claim_next(labeler=labeler, campaign=campaign, now=now)
    if assignment is not None:
        skip_comparison(
            assignment=assignment, labeler=labeler, reason="unclear", note="",
            client_key=uuid.uuid4(), now=now,
        )  # fmt: skip


def ai_judgment(comparison, policy):
    return Judgment.objects.create(
        comparison=comparison, judge_kind=Judgment.JudgeKind.AI, ai_judge=policy,
        preference=1, client_key=uuid.uuid4(),
    )  # fmt: skip


def test_tallies_stay_right_through_whatever_happens_to_a_campaign(
    campaign, fill, policy, alice, bob, simon
):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    add_members(campaign=campaign, users=[simon], role=Membership.Role.LABELER)
    slots = fill(campaign, 40)
    chance, now = random.Random(5), timezone.now()
    held = {}
    for step in range(80):
        who = chance.choice([alice, bob, simon])
        mine = list(standing_answers_of(who))
        done = chance.random()
        if done < 0.1 and who not in held:
            pass_on(who, campaign)
        elif done < 0.2:
            if who in held:
                lift_hold(hold=held.pop(who), by=None, now=now)
            else:
                held[who] = place_hold(
                    campaign=campaign, labeler=who, kind=Hold.Kind.QUARANTINE, reason="Hasty.",
                    by=None, now=now,
                )  # fmt: skip
        elif done < 0.3:
            ai_judgment(chance.choice(slots).comparison, policy)
        elif done < 0.4 and mine:
            change_answer(
                judgment=chance.choice(mine), labeler=who, answer=Answer(preference=2),
                client_key=uuid.uuid4(), seconds=2.5, now=now,
            )  # fmt: skip
        elif done < 0.5 and mine:
            retract_answer(
                judgment=chance.choice(mine), labeler=who, client_key=uuid.uuid4(), now=now
            )
        elif who not in held:
            judge(who, campaign, chance.choice([-1, 1]), now=now)
        if step % 8 == 7:
            assert_right(campaign)
    withdraw(labeler=alice, now=now)
    assert_right(campaign)


def test_what_files_say_is_counted_as_judged_and_not_as_asked(campaign, fill, policy, alice):
    fill(campaign, 2)
    judge(alice, campaign)
    imported_judgment(campaign, pair(ask("Why?"), policy, "Because.", "No."), -1)
    assert_right(campaign)
    assert (progress(campaign).comparisons, progress(campaign).imported) == (3, 1)
    assert judged_comparisons(campaign, ["person"]) == 2


def test_each_pair_of_a_ranking_is_judged_and_one_comparison_is_asked(ranked, policy, alice):
    group(ranked, policy, "Which is best?", ["A.", "B.", "C."])
    rank(alice, ranked, [1, 2, 3])
    assert_right(ranked)
    assert (judged_comparisons(ranked, ["person"]), progress(ranked).comparisons) == (3, 1)


def test_checks_of_the_labeler_are_neither_asked_nor_judged(campaign, fill, alice):
    Campaign.objects.filter(pk=campaign.pk).update(repeat_share=1.0, repeat_after_days=0)
    campaign.refresh_from_db()
    fill(campaign, 1)
    judge(alice, campaign)
    assert judge(alice, campaign).purpose == Assignment.Purpose.REPEAT
    assert_right(campaign)


def test_a_ranking_repeated_as_a_check_says_nothing_new_about_any_pair(ranked, policy, alice):
    Campaign.objects.filter(pk=ranked.pk).update(repeat_share=1.0, repeat_after_days=0)
    ranked.refresh_from_db()
    group(ranked, policy, "Which is best?", ["A.", "B.", "C."])
    rank(alice, ranked, [1, 2, 3])
    assert rank(alice, ranked, [3, 2, 1]).purpose == Assignment.Purpose.REPEAT
    assert current_judgments(ranked).count() == 3
    assert_right(ranked)


def test_a_pair_that_only_held_labelers_judged_is_not_judged(campaign, fill, alice, bob):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    fill(campaign, 2)
    judge(alice, campaign)
    judge(alice, campaign)
    judge(bob, campaign)
    place_hold(
        campaign=campaign, labeler=alice, kind=Hold.Kind.QUARANTINE, reason="Hasty.", by=None,
        now=timezone.now(),
    )  # fmt: skip
    assert judged_comparisons(campaign, ["person"]) == 1


def test_rebuilding_changes_nothing(campaign, fill, alice, bob):
    fill(campaign, 3)
    judge(alice, campaign)
    pass_on(bob, campaign)
    before, stood = rows("labeling_comparisontally"), progress(campaign)
    assert before
    with connection.cursor() as cursor:
        cursor.execute("SELECT labeling_comparisontally_rebuild()")
    assert (rows("labeling_comparisontally"), progress(campaign)) == (before, stood)


def test_a_campaign_where_nothing_happened_has_no_figures(campaign):
    assert not ComparisonTally.objects.exists()
    assert (judged_comparisons(campaign, ["person"]), progress(campaign).wanted) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_two_who_judge_the_same_pair_at_once_judge_it_once(campaign, fill):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=4)
    campaign.refresh_from_db()
    people = [person(f"p{n}") for n in range(4)]
    add_members(campaign=campaign, users=people, role=Membership.Role.LABELER)
    fill(campaign, 8)

    def work(who):
        try:
            for _ in range(8):
                judge(who, campaign)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, people))
    assert_right(campaign)
    assert (progress(campaign).complete, judged_comparisons(campaign, ["person"])) == (8, 8)
    assert CampaignTally.objects.filter(campaign=campaign, judged__gt=0).count() <= 4


def test_a_slot_that_is_taken_away_is_counted_no_more(campaign, fill, alice):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    fill(campaign, 3)
    answered = judge(alice, campaign).comparison
    Assignment.objects.filter(comparison=answered, answered_at__isnull=True).delete()
    assert_right(campaign)
    assert (progress(campaign).complete, progress(campaign).wanted) == (1, 5)
