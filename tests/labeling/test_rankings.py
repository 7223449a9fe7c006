"""Rankings as rows: how several responses are put in order, and what every reader makes of it."""

import json
import uuid
from collections import Counter
from datetime import timedelta
from itertools import combinations

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from labeling import errors
from labeling.models import (
    Assignment,
    Candidate,
    Comparison,
    DiscardedPair,
    Judgment,
    Ranking,
    Response,
    ResponseGroup,
)
from labeling.selectors.campaigns import agreement, progress
from labeling.selectors.judgments import current_judgments
from labeling.selectors.tallies import judged_comparisons
from labeling.services.assignments import claim_ahead, claim_next
from labeling.services.comparisons import create_comparisons
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.exports import preference_rows
from labeling.services.judgments import Answer, record_judgment
from labeling.services.rankings import create_groups
from labeling.services.skips import skip_comparison
from labeling.services.snapshots import take_snapshot
from tests.cast import ask, group, judge, pair, rank
from tests.threads import at_once

NOW = timezone.now()
FOUR = ["Paris.", "Lyon.", "Rome, I think.", "I do not know."]


@pytest.fixture
def four(ranked, policy):
    return group(ranked, policy, "The capital of France?", FOUR)


def answer(assignment, labeler, ranks, key=None, **more):
    return record_judgment(
        assignment=assignment,
        labeler=labeler,
        answer=Answer.from_ranks(ranks, **more),
        client_key=key or uuid.uuid4(),
        seconds=9.0,
        now=NOW,
    )


def standing(campaign):
    """What stands about each pair: (first, second) -> preference."""
    return {
        (judgment.comparison.first.text, judgment.comparison.second.text): judgment.preference
        for judgment in current_judgments(campaign).select_related(
            "comparison__first", "comparison__second"
        )
    }


# Groups ------------------------------------------------------------------------------------------


def test_a_group_has_a_comparison_for_each_two_and_slots_on_the_leading_one_alone(ranked, policy):
    ranked.overlap = 3
    made = group(ranked, policy, "The capital of France?", FOUR)
    assert made.size == 4
    pairs = {(c.first.text, c.second.text) for c in made.comparisons.all()}
    assert pairs == set(combinations(FOUR, 2))
    slots = Assignment.objects.filter(campaign=ranked)
    assert {(s.comparison.first.text, s.comparison.second.text) for s in slots} == {tuple(FOUR[:2])}
    assert slots.count() == 3


def test_identical_and_empty_responses_are_left_out_and_counted(ranked, policy):
    prompt = ask("The capital of France?")
    texts = ["Paris.", " \n", "Lyon.", "Paris. ", "Rome."]
    responses = [Response.objects.create(prompt=prompt, policy=policy, text=t) for t in texts]
    [made] = create_groups(campaign=ranked, prompt=prompt, responses=responses, empty=1)
    assert [c.response.text for c in made.candidates.all()] == ["Paris.", "Lyon.", "Rome."]
    reasons = Counter(DiscardedPair.objects.values_list("reason", flat=True))
    assert reasons == {"empty": 2, "identical": 1}


def test_fewer_than_three_different_responses_are_not_ranked(ranked, policy):
    prompt = ask("The capital of France?")
    responses = [
        Response.objects.create(prompt=prompt, policy=policy, text=t)
        for t in ("Paris.", "Lyon.", "Lyon.")
    ]
    assert create_groups(campaign=ranked, prompt=prompt, responses=responses) == []
    assert not Comparison.objects.exists()
    assert progress(ranked).identical == 1


def test_more_than_nine_responses_become_several_even_groups(ranked, policy):
    prompt = ask("A number?")
    responses = [
        Response.objects.create(prompt=prompt, policy=policy, text=str(n)) for n in range(20)
    ]
    made = create_groups(campaign=ranked, prompt=prompt, responses=responses)
    assert [g.size for g in made] == [7, 7, 6]
    assert Candidate.objects.values("response").distinct().count() == 20


def test_each_candidate_stands_in_each_position_equally_often(ranked, policy):
    ranked.overlap = 8
    group(ranked, policy, "The capital of France?", FOUR)
    orders = list(Assignment.objects.values_list("shown_order", flat=True))
    seen = Counter((place, at) for order in orders for at, place in enumerate(order))
    assert set(seen.values()) == {2}
    assert len(seen) == 16


def test_the_first_order_is_drawn_anew_for_each_group(ranked, policy):
    for n in range(24):
        group(ranked, policy, f"Question {n}?", FOUR)
    orders = {tuple(order) for order in Assignment.objects.values_list("shown_order", flat=True)}
    assert len(orders) > 4


# Answers -----------------------------------------------------------------------------------------


def test_an_order_is_kept_as_ranks_and_says_something_about_each_two(four, ranked, alice):
    judgment = rank(alice, ranked, [1, 3, 2, 3])
    assert judgment.ranking.ranks == [1, 3, 2, 3]
    assert standing(ranked) == {
        ("Paris.", "Lyon."): -1,
        ("Paris.", "Rome, I think."): -1,
        ("Paris.", "I do not know."): -1,
        ("Lyon.", "Rome, I think."): 1,
        ("Lyon.", "I do not know."): 0,
        ("Rome, I think.", "I do not know."): -1,
    }
    assert Judgment.objects.get(preference=0).equal == "tie"
    assert set(judgment.parts.values_list("labeler", flat=True)) == {alice.pk}


def test_gaps_in_the_ranks_are_closed():
    assert Answer.from_ranks([9, 2, 5, 5]).ranks == (3, 1, 2, 2)


@pytest.mark.parametrize("ranks", [[1, 2, 3], [1, 2, 3, 4, 5]])
def test_an_order_of_more_or_fewer_responses_is_refused(four, ranked, alice, ranks):
    with pytest.raises(errors.AnswerNotOffered):
        rank(alice, ranked, ranks)
    assert not Judgment.objects.exists()


def test_a_plain_preference_is_no_answer_to_a_group_nor_an_order_to_a_pair(
    four, ranked, alice, bob, policy
):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)
    with pytest.raises(errors.AnswerNotOffered):
        record_judgment(
            assignment=held,
            labeler=alice,
            answer=Answer(preference=1),
            client_key=uuid.uuid4(),
            seconds=None,
            now=NOW,
        )
    create_comparisons(campaign=ranked, pairs=[pair(ask("Why?"), policy, "So.", "Because.")])
    alone = claim_next(labeler=bob, campaign=ranked, now=NOW)
    with pytest.raises(errors.AnswerNotOffered):
        answer(alone, bob, [1, 2])


def test_ties_are_refused_where_the_campaign_takes_none(four, ranked, alice):
    ranked.allow_tie = False
    ranked.save()
    with pytest.raises(errors.AnswerNotOffered, match="no ties"):
        rank(alice, ranked, [1, 2, 2, 3])
    assert rank(alice, ranked, [1, 2, 4, 3])


def test_a_retry_stores_nothing_twice_and_other_ranks_under_its_key_are_refused(
    four, ranked, alice
):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)
    key = uuid.uuid4()
    once = answer(held, alice, [1, 2, 3, 4], key)
    assert answer(held, alice, [1, 2, 3, 4], key) == once
    # The first two stand as before, so that the ranks alone tell the difference.
    with pytest.raises(errors.KeyReused):
        answer(held, alice, [1, 2, 4, 3], key)
    assert Judgment.objects.count() == 6
    assert Ranking.objects.count() == 1


def test_flags_and_a_reason_belong_to_the_answer_and_not_to_its_parts(four, ranked, alice):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)
    judgment = answer(held, alice, [1, 2, 3, 4], rationale="It is Paris.", flags=["unsafe"])
    assert (judgment.rationale, judgment.flags) == ("It is Paris.", ["unsafe"])
    assert set(judgment.parts.values_list("rationale", flat=True)) == {""}


def test_a_change_replaces_all_that_followed_from_the_former_order(four, ranked, alice):
    former = rank(alice, ranked, [1, 2, 3, 4])
    later = change_answer(
        judgment=former,
        labeler=alice,
        answer=Answer.from_ranks([2, 1, 1, 3]),
        client_key=uuid.uuid4(),
        seconds=None,
        now=NOW,
    )
    assert later.supersedes == former
    assert later.ranking.ranks == [2, 1, 1, 3]
    assert len(standing(ranked)) == 6
    assert standing(ranked)[("Lyon.", "Rome, I think.")] == 0
    assert standing(ranked)[("Paris.", "Lyon.")] == 1
    assert Judgment.objects.count() == 12
    assert former.ranking.ranks == [1, 2, 3, 4]


def test_an_order_changed_below_the_first_two_is_a_change(four, ranked, alice):
    former = rank(alice, ranked, [1, 2, 3, 4])
    change_answer(
        judgment=former,
        labeler=alice,
        answer=Answer.from_ranks([1, 2, 4, 3]),
        client_key=uuid.uuid4(),
        seconds=None,
        now=NOW,
    )
    assert standing(ranked)[("Rome, I think.", "I do not know.")] == 1


def test_taken_back_nothing_of_it_stands_and_someone_else_is_asked_in_the_same_order(
    four, ranked, alice, bob
):
    judgment = rank(alice, ranked, [1, 2, 3, 4])
    retract_answer(judgment=judgment, labeler=alice, client_key=uuid.uuid4(), now=NOW)
    assert standing(ranked) == {}
    assert list(preference_rows(ranked)) == []
    new = claim_next(labeler=bob, campaign=ranked, now=NOW)
    assert new.shown_order == judgment.assignment.shown_order
    assert claim_next(labeler=alice, campaign=ranked, now=NOW) is None
    answer(new, bob, [4, 3, 2, 1])
    assert len(standing(ranked)) == 6


def test_a_skipped_group_goes_to_others_and_never_comes_back(four, ranked, alice, bob):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)
    skip_comparison(
        assignment=held,
        labeler=alice,
        reason="unclear",
        note="",
        client_key=uuid.uuid4(),
        now=NOW,
    )
    assert claim_next(labeler=alice, campaign=ranked, now=NOW) is None
    assert claim_next(labeler=bob, campaign=ranked, now=NOW) == held


# Slots -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_labelers_asking_at_the_same_moment_get_different_slots_and_no_more_than_wanted(
    ranked, policy, alice, bob, carol
):
    ranked.overlap = 2
    ranked.save()
    for n in range(4):
        group(ranked, policy, f"Question {n}?", FOUR)
    taken = []

    def work(labeler):
        while (held := claim_next(labeler=labeler, campaign=ranked, now=NOW)) is not None:
            answer(held, labeler, [1, 2, 3, 4])
            taken.append((held.comparison_id, labeler.pk))

    at_once(work, [alice, bob, carol])
    assert len(taken) == len(set(taken)) == 8
    assert set(Counter(comparison for comparison, _ in taken).values()) == {2}
    assert Ranking.objects.count() == 8
    assert Judgment.objects.count() == 48


def test_groups_are_read_ahead_and_leases_that_ran_out_go_to_others(ranked, policy, alice, bob):
    for n in range(3):
        group(ranked, policy, f"Question {n}?", FOUR)
    assert len(claim_ahead(labeler=alice, campaign=ranked, at_most=2, now=NOW)) == 2
    late = NOW + timedelta(hours=2)
    assert len(claim_ahead(labeler=bob, campaign=ranked, at_most=3, now=late)) == 2


# Readers -----------------------------------------------------------------------------------------


def test_exports_hold_grouped_pairs_without_ties(four, ranked, alice):
    rank(alice, ranked, [1, 3, 2, 3])
    rows = list(preference_rows(ranked))
    assert len(rows) == 5
    assert {row["group"] for row in rows} == {four.pk}
    better = {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows}
    assert ("Rome, I think.", "Lyon.") in better
    assert ("Paris.", "Lyon.") in better
    assert {row["margin"] for row in rows} == {1.0}


def test_a_snapshot_has_each_pair_once_with_its_group_and_all_pairs_on_one_side(
    ranked, policy, alice, bob, settings, tmp_path
):
    ranked.overlap = 2
    for n in range(6):
        group(ranked, policy, f"Question {n}?", FOUR)
    for who, ranks in ((alice, [1, 2, 3, 4]), (bob, [2, 1, 3, 3])):
        for _ in range(6):
            rank(who, ranked, ranks)
    snapshot = take_snapshot(campaign=ranked, by=None)
    assert snapshot.train_pairs + snapshot.test_pairs == 36
    assert snapshot.judgments.count() == 72
    with open(snapshot.artifact_url.removeprefix("file://"), encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    splits = {}
    for row in rows:
        splits.setdefault(row["group"], []).append(row["split"])
    assert all(len(of) == 6 and len(set(of)) == 1 for of in splits.values())
    first = next(row for row in rows if {row["chosen"], row["rejected"]} == {"Paris.", "Lyon."})
    assert (first["preference"], first["votes"]) == (0.5, [1, 0, 1])
    last = next(row for row in rows if row["rejected"] == "I do not know.")
    assert last["preference"] > 0.5


def test_a_pair_by_itself_is_in_no_group(campaign, fill, alice):
    fill(campaign)
    judge(alice, campaign)
    assert [row["group"] for row in preference_rows(campaign)] == [None]


def test_agreement_and_progress_count_what_was_asked(ranked, policy, alice, bob):
    ranked.overlap = 2
    group(ranked, policy, "The capital of France?", FOUR)
    rank(alice, ranked, [1, 2, 3, 4])
    state = progress(ranked)
    assert (state.comparisons, state.complete, state.wanted, state.answered) == (1, 0, 2, 1)
    rank(bob, ranked, [2, 1, 3, 4])
    assert progress(ranked).complete == 1
    assert judged_comparisons(ranked, ["person"]) == 6
    assert agreement(ranked).value == pytest.approx(5 / 6)


# The database ------------------------------------------------------------------------------------


def refused(change):
    def do():
        with transaction.atomic():
            change()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError):
        do()


@pytest.mark.parametrize(
    "change",
    [
        lambda g: ResponseGroup.objects.create(campaign=g.campaign, prompt=g.prompt, size=3),
        lambda g: ResponseGroup.objects.create(campaign=g.campaign, prompt=g.prompt, size=2),
        lambda g: ResponseGroup.objects.update(size=5),
        lambda g: Candidate.objects.all()._raw_delete("default"),
        lambda g: Comparison.objects.filter(group=g).update(prompt=ask("Another?")),
        lambda g: Assignment.objects.update(shown_order=[0, 1, 2, 2]),
        lambda g: Assignment.objects.update(shown_order=[0, 1, 2]),
        lambda g: Assignment.objects.update(shown_order=[0, 1, 2, 3], first_on_left=False),
    ],
    ids=[
        *("without candidates", "of two", "changed", "losing candidates", "about another prompt"),
        *("shown twice", "shown in part", "shown the other way round than it says"),
    ],
)
def test_the_database_refuses_a_group(four, change):
    refused(lambda: change(four))


@pytest.mark.parametrize(
    "ranks", [[1, 2, 3], [1, 2, 3, 5], [2, 3, 4, 5], [0, 1, 2, 3], [2, 1, 3, 4]]
)
def test_the_database_refuses_ranks_that_are_no_order_or_another_than_the_judgments(
    four, ranked, alice, ranks
):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)

    def store():
        judgment = Judgment.objects.create(
            comparison=held.comparison,
            assignment=held,
            labeler=alice,
            judge_kind="person",
            preference=-1,
            client_key=uuid.uuid4(),
        )
        Ranking.objects.create(judgment=judgment, ranks=ranks)

    refused(store)


def test_the_database_refuses_an_answer_to_a_group_without_its_order(four, ranked, alice):
    held = claim_next(labeler=alice, campaign=ranked, now=NOW)
    refused(
        lambda: Judgment.objects.create(
            comparison=held.comparison,
            assignment=held,
            labeler=alice,
            judge_kind="person",
            preference=1,
            client_key=uuid.uuid4(),
        )
    )


def test_the_database_keeps_rankings_and_their_parts_as_they_are(four, ranked, alice, bob):
    judgment = rank(alice, ranked, [1, 2, 3, 4])
    refused(lambda: Ranking.objects.update(ranks=[4, 3, 2, 1]))
    refused(lambda: Ranking.objects.all()._raw_delete("default"))
    part = judgment.parts.first()
    again = {"comparison": part.comparison, "part_of": judgment, "judge_kind": "person"}
    refused(
        lambda: Judgment.objects.create(
            **again, labeler=alice, preference=1, client_key=uuid.uuid4()
        )
    )
    refused(
        lambda: Judgment.objects.create(
            **{**again, "comparison": judgment.comparison},
            labeler=bob,
            preference=1,
            client_key=uuid.uuid4(),
        )
    )


@pytest.mark.parametrize("more", [{"strength": 2}, {"rationale_from": 1}, {"aspects": ["helpful"]}])
def test_a_campaign_that_ranks_asks_for_the_order_alone(ranked, more):
    for name, value in more.items():
        setattr(ranked, name, value)
    refused(ranked.save)


def test_a_campaign_with_content_keeps_its_kind(campaign, fill, ranked, four):
    refused(lambda: type(ranked).objects.filter(pk=ranked.pk).update(kind="comparison"))
    refused(lambda: type(ranked).objects.filter(pk=ranked.pk).update(kind="chat"))
