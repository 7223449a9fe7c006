"""Ratings of policies: from the judgments of a campaign to the page and its files."""

import csv
import io

import numpy as np
import pytest
from django.urls import reverse

from labeling.models import Policy
from labeling.selectors.ratings import policy_figures
from labeling.services.reports import compute, request_report
from tests.labeling.test_annotated_imports import NOW, entry, listed, load

POLICIES = {"wise": 1.0, "plain": 0.0, "odd": -1.0}


@pytest.fixture
def contest(campaign):
    """Three policies of known strength; three annotators say who is better in 150 pairs."""
    rng = np.random.default_rng(2)
    rows = []
    for number in range(150):
        one, other = (str(name) for name in rng.choice(list(POLICIES), 2, replace=False))
        chance = 1 / (1 + np.exp(POLICIES[other] - POLICIES[one]))
        winner = 1 if rng.random() < chance else 2
        answers = [winner, winner, 0 if number % 10 == 0 else winner]
        rows.append(
            entry(
                number,
                answers if number % 15 else [0, 0, winner],
                cmp_key=f"{one}_{other}",
                motivation_app="maths" if number % 3 else "poems",
            )
        )
    load(campaign, listed(rows))
    return campaign


def named(figures):
    names = {f"p{policy.pk}": policy.name for policy in Policy.objects.all()}
    return {names[r["policy"]]: r for r in figures["whole"]["ratings"]}


def page(campaign, name="dashboard", *more):
    return reverse(f"labeling:{name}", args=[campaign.pk, "policies", *more])


def computed(campaign):
    report = request_report(campaign=campaign, subject="policies", judges="person", by=None)
    report.claim(NOW)
    compute(report)
    return report


def test_policies_are_rated_by_what_most_annotators_say(contest):
    figures = policy_figures(contest, "person")
    found = named(figures)
    assert figures["pairs"] == 150
    assert list(found) == ["wise", "plain", "odd"]
    for name, true in POLICIES.items():
        assert found[name]["value"] == pytest.approx(true, abs=0.4)
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    ties = sum(map(sum, figures["whole"]["wins"]))
    assert ties == 150  # each pair is one win, or two halves


def test_the_matrix_agrees_with_the_pairs(contest):
    whole = policy_figures(contest, "person")["whole"]
    wins, met = np.array(whole["wins"]), np.array(whole["met"])
    assert (wins + wins.T == met).all()
    assert met.sum() == 300
    assert not met.diagonal().any()


def test_categories_have_ratings_of_their_own(contest):
    parts = policy_figures(contest, "person")["categories"]
    assert [(part["name"], part["pairs"]) for part in parts] == [("maths", 100), ("poems", 50)]


def test_pairs_of_one_policy_with_itself_rate_nobody(campaign, fill, alice):
    from tests.cast import judge

    fill(campaign, 2)
    judge(alice, campaign)
    assert policy_figures(campaign, "person") == {"pairs": 0, "whole": None, "categories": []}


def test_half_the_votes_each_are_a_tie_and_a_vote_beside_a_tie_decides(campaign):
    load(
        campaign,
        listed([
            entry(1, [1, 2], cmp_key="a_b"), entry(2, [1, 0], cmp_key="a_b"),
            entry(3, [0, 0, 2], cmp_key="a_b"),
        ]),
    )  # fmt: skip
    figures = policy_figures(campaign, "person")
    assert named(figures)["a"]["value"] > named(figures)["b"]["value"]
    assert sorted(np.array(figures["whole"]["wins"]).ravel().tolist()) == [0, 0, 1, 2]


# Pages ------------------------------------------------------------------------------------------


def test_a_manager_reads_who_leads_and_takes_the_tables_along(contest, client, carol):
    computed(contest)
    client.force_login(carol)
    shown = client.get(page(contest)).text
    assert "wise-v0 leads with" in shown
    assert "by more than chance" in shown
    assert 'class="number tint' in shown
    table = client.get(page(contest, "dashboard_table", "ratings")).getvalue().decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["policy"] for row in rows] == ["wise-v0", "plain-v0", "odd-v0"]
    wins = client.get(page(contest, "dashboard_table", "wins")).getvalue().decode()
    assert len(list(csv.DictReader(io.StringIO(wins)))) == 6


def test_a_winner_by_chance_is_not_called_one(campaign, client, carol):
    load(campaign, listed([entry(n, [1 + n % 2], cmp_key="a_b") for n in range(9)]))
    computed(campaign)
    client.force_login(carol)
    assert "interval overlaps with that of" in client.get(page(campaign)).text


def test_who_never_lost_is_said_to_be_of_unknown_distance(campaign, client, carol):
    load(campaign, listed([entry(n, [1], cmp_key="a_b") for n in range(9)]))
    computed(campaign)
    client.force_login(carol)
    shown = client.get(page(campaign)).text
    assert "how far apart they are is not known" in shown
    assert "nan" not in shown.lower().split()


def test_without_two_policies_the_page_says_so(campaign, client, carol):
    computed(campaign)
    client.force_login(carol)
    assert "No pair of two different policies" in client.get(page(campaign)).text


def test_the_page_is_for_managers(contest, client, alice):
    client.force_login(alice)
    assert client.get(page(contest)).status_code == 404
