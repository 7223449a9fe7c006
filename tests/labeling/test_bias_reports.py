"""Planted labelers in a real campaign: the report finds them, and leaves the honest alone."""

import random
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import (
    Assignment,
    Campaign,
    GoldQuestion,
    Judgment,
    Membership,
    Report,
    Response,
)
from labeling.selectors.bias import bias_figures
from labeling.services.campaigns import add_members
from labeling.services.comparisons import create_comparisons
from labeling.services.gold import add_gold
from labeling.services.reports import compute
from tests.cast import ask, group, judge, person, rank
from tests.labeling.test_annotated_imports import entry, listed, load

PAIRS = 120
SKILL = {"ann": 0.7, "ben": 0.7, "cleo": 0.6, "lefty": 0.5, "speeder": 0.6, "copier": 0.6}


@pytest.fixture
def crowd(campaign, policy):
    """Six who judge the same pairs: one leans left, one hurries, one copies from ann."""
    Campaign.objects.filter(pk=campaign.pk).update(overlap=6)
    campaign.refresh_from_db()
    people = {name: person(name) for name in SKILL}
    add_members(campaign=campaign, users=list(people.values()), role=Membership.Role.LABELER)
    prompts = [ask(f"Question {n}?") for n in range(PAIRS)]
    texts = ["Yes.", "- Yes, and **that** is a longer answer."]
    made = Response.objects.bulk_create(
        Response(prompt=prompt, policy=policy, text=text) for prompt in prompts for text in texts
    )
    pairs = list(zip(made[::2], made[1::2], strict=True))
    chance = random.Random(5)
    slots, said = [], []
    for comparison in create_comparisons(campaign=campaign, pairs=pairs):
        truth = chance.choice([-1, 1])
        of_ann = 0
        for slot, (name, labeler) in zip(
            comparison.assignments.order_by("slot"), people.items(), strict=True
        ):
            guess = chance.choice([-1, 1])
            if name == "lefty":
                guess = -1 if slot.first_on_left else 1
            answer = truth if chance.random() < SKILL[name] else guess
            of_ann = answer if name == "ann" else of_ann
            if name == "copier" and chance.random() < 0.97:
                answer = of_ann
            slot.labeler, slot.leased_until = labeler, comparison.created_at
            slot.answered_at = comparison.created_at
            slots.append(slot)
            said.append(
                Judgment(
                    comparison=comparison, assignment=slot, labeler=labeler, judge_kind="person",
                    preference=answer, client_key=uuid.uuid4(),
                    seconds=chance.uniform(2, 4) if name == "speeder" else chance.uniform(15, 40),
                )
            )  # fmt: skip
    Assignment.objects.bulk_update(slots, ["labeler", "leased_until", "answered_at"])
    Judgment.objects.bulk_create(said)
    return campaign, people


def alarmed(figures, key, people):
    names = {f"u{user.pk}": name for name, user in people.items()}
    return {names[who] for who, measure in figures[key].items() if measure["alarm"]}


def test_planted_labelers_are_found_and_the_honest_are_not(crowd):
    campaign, people = crowd
    figures = bias_figures(campaign, "person")
    assert alarmed(figures, "left", people) == {"lefty"}
    assert alarmed(figures, "seconds", people) == {"speeder"}
    for c in figures["copies"]:
        print(c)
    copied = [{pair["one"], pair["other"]} for pair in figures["copies"] if pair["alarm"]]
    assert copied == [{f"u{people['ann'].pk}", f"u{people['copier'].pk}"}]
    for key in ("longer", "marked", "entropy", "drift"):
        assert alarmed(figures, key, people) == set()


def test_a_planted_side_is_within_its_interval(crowd):
    campaign, people = crowd
    left = bias_figures(campaign, "person")["left"][f"u{people['lefty'].pk}"]
    assert left["low"] <= 0.75 <= left["high"]  # sees the truth half the time, else goes left
    assert left["trials"] == PAIRS


def test_length_and_markdown_are_told_from_the_texts(crowd, campaign):
    said = Judgment.objects.filter(comparison__campaign=campaign)
    figures = bias_figures(campaign, "person")["campaign"]
    share = said.filter(preference__gt=0).count() / said.count()
    assert figures["longer"]["value"] == figures["marked"]["value"] == pytest.approx(share)


def test_the_page_names_who_stands_out(crowd, client, carol):
    campaign, _ = crowd
    report = Report.objects.create(campaign=campaign, subject="labelers", judges="person")
    compute(report)
    client.force_login(carol)
    shown = client.get(reverse("labeling:dashboard", args=[campaign.pk, "labelers"])).text
    assert "lefty chose the left response" in shown
    assert "ann – copier agree on" in shown
    assert "ben chose" not in shown


def test_a_campaign_without_judgments_has_an_empty_report(campaign, client, carol):
    compute(Report.objects.create(campaign=campaign, subject="labelers", judges="person"))
    client.force_login(carol)
    address = reverse("labeling:dashboard", args=[campaign.pk, "labelers"])
    assert client.get(address).status_code == 200


@pytest.fixture
def asked(campaign, alice, bob):
    """Both answered 25 questions with a known answer, in two weeks: bob mostly wrong, and worse."""
    for number in range(25):
        add_gold(
            campaign=campaign, messages=[{"role": "user", "content": f"Question {number}?"}],
            first="Right.", second="Wrong.", right="first", kind="silent", explanation="", by=None,
        )  # fmt: skip
    campaign.gold_share = 1.0
    now = timezone.now()
    for number in range(25):
        then = now - timedelta(days=14 if number < 12 else 0)
        judge(alice, campaign, -1, now=then)
        judge(bob, campaign, -1 if number < 8 else 1, now=then)
    return campaign, alice, bob


def test_agreement_with_gold_is_beside_that_of_the_others_and_alarms(asked):
    campaign, alice, bob = asked
    found = bias_figures(campaign, "person")["gold"]
    assert found[f"u{alice.pk}"]["value"] == 1.0
    assert found[f"u{bob.pk}"]["value"] == pytest.approx(8 / 25)
    assert (found[f"u{alice.pk}"]["alarm"], found[f"u{bob.pk}"]["alarm"]) == (False, True)


def test_agreement_with_gold_is_told_by_week(asked):
    campaign, _, bob = asked
    weeks = bias_figures(campaign, "person")["gold_weeks"]
    assert [(right, n) for _, who, right, n in weeks if who == f"u{bob.pk}"] == [(8, 12), (0, 13)]


def test_a_retired_question_says_nothing_about_anybody(asked):
    campaign, *_ = asked
    GoldQuestion.objects.update(retired_at=timezone.now())
    assert bias_figures(campaign, "person")["gold"] == {}


def test_answers_to_gold_are_no_answers_to_the_campaigns_question(asked):
    campaign, *_ = asked
    assert bias_figures(campaign, "person")["answers"] == {}


def test_the_page_draws_gold_over_time(asked, client, carol):
    campaign, _, bob = asked
    report = Report.objects.create(campaign=campaign, subject="labelers", judges="person")
    compute(report)
    client.force_login(carol)
    shown = client.get(reverse("labeling:dashboard", args=[campaign.pk, "labelers"])).text
    assert "Agreement with gold over time" in shown
    assert "misses gold" in shown
    table = reverse("labeling:dashboard_table", args=[campaign.pk, "labelers", "gold-weeks"])
    assert f"{bob.username},8,12" in client.get(table).getvalue().decode()


def test_whoever_tosses_a_coin_is_told_from_those_who_look(campaign, policy):
    Campaign.objects.filter(pk=campaign.pk).update(overlap=4)
    campaign.refresh_from_db()
    people = [person(name) for name in ("ann", "ben", "cleo", "coin")]
    add_members(campaign=campaign, users=people, role=Membership.Role.LABELER)
    chance = random.Random(3)
    rows = []
    for number in range(150):
        truth = chance.choice([1, 2])
        looked = [truth if chance.random() < 0.9 else 3 - truth for _ in range(3)]
        rows.append(entry(number, [*looked, chance.choice([1, 2])]))
    load(campaign, listed(rows))
    found = {who[-1]: measure for who, measure in bias_figures(campaign, "person")["skill"].items()}
    assert [found[n]["alarm"] for n in "1234"] == [False, False, False, True]
    assert found["4"]["high"] < found["1"]["low"]


def test_a_ranking_is_one_answer_and_not_one_a_pair(ranked, policy, alice, bob):
    group(ranked, policy, "Which?", ["A.", "B.", "C.", "D."])
    rank(alice, ranked, [1, 2, 3, 4])
    assert bias_figures(ranked, "person")["answers"] == {f"u{alice.pk}": 1}
