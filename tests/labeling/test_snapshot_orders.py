"""Snapshots whose labels are aggregated: ordered by a page, made by a worker."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from labeling import artifacts, errors
from labeling.models import Campaign, Hold, Judgment, SnapshotOrder
from labeling.selectors.votes import votes_of
from labeling.services.holds import place_hold
from labeling.services.snapshot_orders import order_snapshot
from labeling.services.snapshots import take_snapshot
from labeling.statistics.aggregation import Method, aggregate
from labeling.tasks import fulfil_snapshot_order, resume_snapshot_orders
from rewardmodel.learning.labels import relabelled
from rewardmodel.learning.pairs import read_pairs
from tests.cast import judge


@pytest.fixture
def twice(campaign, fill, alice, bob):
    """Eight pairs that both judged; on two they differ, on one neither prefers."""
    Campaign.objects.filter(pk=campaign.pk).update(overlap=2)
    campaign.refresh_from_db()
    fill(campaign, 8)
    for one, other in [(-1, -2), (2, 2), (-3, -1), (1, 3), (-1, 1), (2, -2), (0, 0), (1, 1)]:
        judge(alice, campaign, one, equal="" if one else "tie")
        judge(bob, campaign, other, equal="" if other else "tie")
    return campaign


def rows_of(snapshot):
    with artifacts.open_artifact(snapshot.artifact_url) as file:
        return [json.loads(line) for line in file]


def ordered(campaign, method="skill"):
    order = order_snapshot(campaign=campaign, kinds=["person"], method=method, by=None)
    fulfil_snapshot_order(order.pk)
    order.refresh_from_db()
    return order


# MACE and GLAD, which take seconds, give labels as Dawid-Skene does: tests/labeling/statistics.
QUICK = [Method.SHARES, Method.MAJORITY, Method.SKILL, Method.DAWID_SKENE]


@pytest.mark.parametrize("method", QUICK)
def test_rows_carry_the_labels_of_the_method_and_a_reward_model_reads_them(twice, method):
    snapshot = take_snapshot(campaign=twice, method=method, by=None)
    rows = rows_of(snapshot)
    chances = dict(zip(votes_of(twice).pairs, aggregate(votes_of(twice), method), strict=True))
    for row in rows:
        first, neither, second = chances[row["id"]]
        assert row["tie"] == pytest.approx(neither)
        assert row["preference"] == pytest.approx(max(first, second) + neither / 2)
        better = "two" if second > first else "one"
        assert first == pytest.approx(second) or row["chosen"].startswith(f"Answer {better}")
    pairs = read_pairs(enumerate(rows, start=1))
    assert [pair.preference for pair in relabelled(pairs, "shares")] == [
        row["preference"] for row in rows
    ]


@pytest.mark.parametrize("method", QUICK)
def test_a_tie_that_both_saw_is_most_of_a_tie(twice, method):
    pk = twice.comparisons.order_by("id")[6].pk
    rows = rows_of(take_snapshot(campaign=twice, method=method, by=None))
    [tied] = [row for row in rows if row["id"] == pk]
    assert tied["votes"] == [0, 2, 0]
    assert all(row["tie"] < tied["tie"] for row in rows if row is not tied)


def test_votes_stay_counted_as_they_were_given(twice):
    [row] = [r for r in rows_of(take_snapshot(campaign=twice, method="skill", by=None))
             if r["votes"] == [2, 0, 0]][:1]  # fmt: skip
    assert 0.5 < row["preference"] < 1


def test_two_methods_make_two_snapshots_and_the_same_one_makes_it_again(twice):
    taken = [take_snapshot(campaign=twice, method=m, by=None) for m in ("shares", "majority")]
    assert taken[0] != taken[1]
    assert [s.recipe["method"] for s in taken] == ["shares", "majority"]
    assert take_snapshot(campaign=twice, method="majority", by=None) == taken[1]


def test_votes_know_who_judged_and_on_which_side(twice, alice, bob):
    found = votes_of(twice)
    assert set(found.judges) == {f"u{alice.pk}", f"u{bob.pk}"}
    assert (len(found.pairs), len(found.pair)) == (8, 16)
    judgment = Judgment.objects.select_related("assignment").order_by("id").first()
    at = [
        n for n in range(16)
        if found.pairs[found.pair[n]] == judgment.comparison_id
        and found.judges[found.judge[n]] == f"u{judgment.labeler_id}"
    ]  # fmt: skip
    assert found.side[at[0]] == (-1 if judgment.assignment.first_on_left else 1)


def test_what_is_held_back_takes_no_part_in_a_consensus(twice, bob):
    place_hold(
        campaign=twice, labeler=bob, kind=Hold.Kind.QUARANTINE, reason="Copies.", by=None,
        now=timezone.now(),
    )  # fmt: skip
    assert len(votes_of(twice).judges) == 1


def test_without_an_answer_there_is_nothing_to_freeze(campaign, fill):
    fill(campaign, 1)
    with pytest.raises(errors.NothingJudged):
        take_snapshot(campaign=campaign, method="skill", by=None)
    order = ordered(campaign)
    assert (order.status, "Nobody has judged" in order.error) == ("failed", True)


# Orders -----------------------------------------------------------------------------------------


def test_whoever_asked_reads_in_their_language_why_there_is_no_snapshot(campaign, fill, carol):
    fill(campaign, 1)
    carol.language = "de"
    carol.save(update_fields=["language"])
    order = order_snapshot(campaign=campaign, kinds=["person"], method="skill", by=carol)
    fulfil_snapshot_order(order.pk)
    order.refresh_from_db()
    assert order.error.startswith("Hier hat noch niemand etwas beurteilt")


def test_an_order_delivered_twice_is_fulfilled_once(twice):
    order = ordered(twice)
    assert (order.status, order.snapshot.recipe["method"]) == ("done", "skill")
    before = order.finished_at
    fulfil_snapshot_order(order.pk)
    order.refresh_from_db()
    assert order.finished_at == before


def test_one_order_at_a_time(twice):
    order_snapshot(campaign=twice, kinds=["person"], method="skill", by=None)
    with pytest.raises(errors.OrderUnderWay):
        order_snapshot(campaign=twice, kinds=["person"], method="glad", by=None)


def test_an_order_is_done_only_with_its_snapshot(twice):
    order = order_snapshot(campaign=twice, kinds=["person"], method="skill", by=None)
    with pytest.raises(IntegrityError, match="done_with_a_snapshot"), transaction.atomic():
        SnapshotOrder.objects.filter(pk=order.pk).update(status="done")


def test_an_order_whose_message_was_lost_is_asked_for_again(twice, monkeypatch):
    order = order_snapshot(campaign=twice, kinds=["person"], method="skill", by=None)
    sent = []
    monkeypatch.setattr(SnapshotOrder, "enqueue", lambda self: sent.append(self.pk))
    resume_snapshot_orders()
    assert sent == [order.pk]


def test_a_manager_orders_one_and_follows_it(twice, client, carol):
    client.force_login(carol)
    here = reverse("labeling:campaign", args=[twice.pk])
    client.post(reverse("labeling:snapshot", args=[twice.pk]), {"method": "dawid_skene"})
    assert "Dawid-Skene: waits for a worker" in client.get(here).text
    state = reverse("labeling:snapshot_state", args=[twice.pk])
    assert "HX-Refresh" not in client.get(state).headers
    fulfil_snapshot_order(SnapshotOrder.objects.get().pk)
    assert client.get(state).headers["HX-Refresh"] == "true"
    shown = client.get(here).text
    assert "waits for a worker" not in shown
    assert "<td>Dawid-Skene</td>" in shown


def test_shares_of_votes_are_frozen_at_once(twice, client, carol):
    client.force_login(carol)
    said = client.post(reverse("labeling:snapshot", args=[twice.pk]), {"method": "shares"},
                       follow=True).text  # fmt: skip
    assert "pairs to train on" in said
    assert not SnapshotOrder.objects.exists()


def test_an_unknown_method_is_refused_in_a_sentence(twice, client, carol):
    client.force_login(carol)
    said = client.post(reverse("labeling:snapshot", args=[twice.pk]), {"method": "dice"},
                       follow=True).text  # fmt: skip
    assert "Choose how answers become labels." in said
