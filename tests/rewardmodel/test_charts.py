"""What the pages say about a finished reward model."""

import json

import pytest
from django.urls import reverse

from labeling.models import Snapshot
from labeling.statistics import paired_difference
from rewardmodel.charts import of_report, slices
from rewardmodel.models import RewardModel
from rewardmodel.selectors.predictions import digest, duel
from tests.cast import judge
from tests.pages.judge_scene import figures


@pytest.fixture
def finished(campaign, policy, tmp_path):
    """Makes a finished model that says this about each comparison."""

    def make(said, digest_="0" * 64):
        snapshot, _ = Snapshot.objects.get_or_create(
            campaign=campaign,
            digest=digest_,
            defaults={"artifact_url": "x", "recipe": {}, "train_pairs": 9, "test_pairs": 9},
        )
        run = RewardModel.objects.create(
            snapshot=snapshot, base=policy, status="succeeded", checkpoint="file:///nowhere"
        )
        folder = tmp_path / str(run.pk)
        folder.mkdir()
        rows = [
            {"id": pk, "scores": scores, "preference": 1.0, "tie": 0.0, "chosen": "a", **more}
            for pk, scores, more in said
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "predictions.jsonl").write_text(text)
        RewardModel.objects.filter(pk=run.pk).update(checkpoint=f"file://{folder}")
        run.refresh_from_db()
        return run

    return make


RIGHT, WRONG = [1.0, 0.0], [0.0, 1.0]


def test_two_models_are_compared_on_the_pairs_both_held_out(finished):
    one = finished([(1, RIGHT, {}), (2, RIGHT, {}), (3, WRONG, {}), (4, WRONG, {}), (5, RIGHT, {})])
    other = finished(
        [(1, RIGHT, {}), (2, WRONG, {}), (3, RIGHT, {}), (4, WRONG, {}), (9, RIGHT, {})]
    )
    found = duel(one, other)
    assert (found.both_right, found.only_one, found.only_other, found.neither) == (1, 1, 1, 1)
    turned = duel(other, one)
    assert (turned.only_one, turned.only_other) == (1, 1)
    assert found.accuracy_one == found.accuracy_other == 0.5


def test_undecided_pairs_compare_nobody(finished):
    one = finished([(1, RIGHT, {"preference": 0.5}), (2, RIGHT, {})])
    other = finished([(1, RIGHT, {"preference": 0.5}), (2, WRONG, {})])
    assert duel(one, other).pairs == 1


def test_where_people_changed_their_mind_the_newer_label_counts(finished):
    old = finished([(1, RIGHT, {"chosen": "a"})], "1" * 64)
    new = finished([(1, RIGHT, {"chosen": "b"})], "2" * 64)
    assert duel(new, old).only_one == 1
    assert duel(old, new).only_other == 1


def test_models_without_a_common_pair_can_not_be_compared(finished):
    found = duel(finished([(1, RIGHT, {})]), finished([(2, RIGHT, {})]))
    assert (found.pairs, found.difference) == (0, None)


def test_between_equals_differing_verdicts_fall_like_a_coin():
    """10 to 2 of 12: twice the tail of a binomial, (1 + 12 + 66) / 4096 to either side."""
    found = paired_difference(10, 2, 100)
    assert found.p == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert found.value == pytest.approx(0.08)
    assert found.low > 0
    assert paired_difference(2, 10, 100).value == -found.value
    assert paired_difference(0, 0, 5).p == 1.0
    assert paired_difference(0, 0, 0) is None


def test_the_interval_of_a_difference_holds_the_truth_nineteen_times_in_twenty():
    import numpy as np

    chance = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        one, other, _same = chance.multinomial(80, [0.2, 0.1, 0.7])
        found = paired_difference(int(one), int(other), 80)
        held += found.low <= 0.1 <= found.high
    assert 0.92 < held / 600 < 0.98


def test_a_report_becomes_charts_whose_tables_hold_its_numbers():
    found = figures([1, 2])
    reliability, leads, curve = of_report(found)
    assert reliability.columns == ["as trained", "scaled", "meant as said"]
    assert leads.x_name == "lead, log-odds"
    assert [row[0] for row in curve.rows] == ["40", "80", "159", "318", "636"]
    assert curve.rows[-1][2] == "71.2"
    by_category, *_ = slices(found)
    assert (by_category.title, by_category.rows[0].name) == ("Accuracy by category", "none")


def test_models_from_before_there_was_a_report_draw_nothing():
    assert of_report({"accuracy": 0.6}) == []
    assert slices({}) == []


def test_a_pair_shows_each_response_with_its_own_score(
    client, erin, finished, campaign, fill, alice
):
    [assignment] = fill(campaign)
    judgment = judge(alice, campaign, preference=2)
    second = assignment.comparison.second
    run = finished([(assignment.comparison_id, [1.5, -0.25], {"chosen": digest(second.text)})])
    run.snapshot.judgments.through.objects.create(snapshot=run.snapshot, judgment=judgment)
    client.force_login(erin)
    page = client.get(reverse("rewardmodel:pair", args=[run.pk, assignment.comparison_id]))
    assert [(side.text[:10], score) for _, side, score in page.context["sides"]] == [
        ("Answer one", -0.25),
        ("Answer two", 1.5),
    ]
    assert "second is better, strength 2" in page.content.decode()


def test_a_pair_of_another_campaign_is_not_found(client, erin, finished, fill, campaign):
    [assignment] = fill(campaign)
    run = finished([(assignment.comparison_id + 1, RIGHT, {})])
    client.force_login(erin)
    for pk in (assignment.comparison_id, assignment.comparison_id + 1):
        assert client.get(reverse("rewardmodel:pair", args=[run.pk, pk])).status_code == 404


def test_only_models_of_the_campaign_can_be_chosen_for_a_comparison(client, erin, finished):
    one, other = finished([(1, RIGHT, {})]), finished([(1, WRONG, {})])
    client.force_login(erin)
    address = reverse("rewardmodel:compare", args=[one.pk])
    assert client.get(address, {"other": other.pk}).context["duel"].only_one == 1
    assert client.get(address, {"other": one.pk}).status_code == 422


def test_labelers_and_managers_do_not_see_what_models_say(
    client, alice, carol, finished, fill, campaign
):
    [assignment] = fill(campaign)
    run = finished([(assignment.comparison_id, RIGHT, {})])
    for who in (alice, carol):
        client.force_login(who)
        for address in (
            reverse("rewardmodel:card", args=[run.pk]),
            reverse("rewardmodel:compare", args=[run.pk]),
            reverse("rewardmodel:pair", args=[run.pk, assignment.comparison_id]),
        ):
            assert client.get(address).status_code == 403
