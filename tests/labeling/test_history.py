import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import Assignment, Campaign
from labeling.selectors.history import pace
from labeling.services.assignments import claim_next
from labeling.services.corrections import change_answer, retract_answer
from labeling.services.judgments import Answer
from labeling.services.skips import skip_comparison
from tests.cast import judge

NOW = timezone.now()


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return lambda **query: client.get(reverse("labeling:history"), query)


def test_a_labeler_without_answers_reads_what_will_be_here(page, alice):
    html = page().content.decode()
    assert "You have not judged a pair yet" in html
    assert html.count('aria-current="page"') == 1


def test_own_answers_come_newest_first_and_nobody_elses(page, alice, bob, campaign, fill):
    fill(campaign, 3)
    first = judge(alice, campaign, now=NOW - timedelta(minutes=5))
    second = judge(alice, campaign, now=NOW)
    judge(bob, campaign)
    assert [row[0] for row in page().context["rows"]] == [second, first]


def test_an_answer_is_told_on_the_side_on_which_it_was_given(page, alice, campaign, fill):
    fill(campaign)
    Assignment.objects.update(first_on_left=False)
    judge(alice, campaign, preference=-3)
    assert "Right is much better" in page().content.decode()


def test_a_change_stands_once_and_what_was_taken_back_is_gone(page, alice, campaign, fill):
    fill(campaign, 2)
    one, other = judge(alice, campaign), judge(alice, campaign)
    changed = change_answer(
        judgment=one,
        labeler=alice,
        answer=Answer(preference=0, equal="tie"),
        client_key=uuid.uuid4(),
        seconds=None,
        now=NOW,
    )
    retract_answer(judgment=other, labeler=alice, client_key=uuid.uuid4(), now=NOW)
    assert [row[0] for row in page().context["rows"]] == [changed]


def test_many_answers_come_in_pages(page, alice, campaign, fill):
    fill(campaign, 21)
    for _ in range(21):
        judge(alice, campaign)
    assert len(page().context["rows"]) == 20
    assert len(page(page=2).context["rows"]) == 1
    assert page(page="nonsense").status_code == 200


def test_an_answer_of_a_closed_campaign_has_no_link_to_change_it(page, alice, campaign, fill):
    fill(campaign)
    given = judge(alice, campaign)
    address = reverse("labeling:change_answer", args=[given.pk])
    assert address in page().content.decode()
    Campaign.objects.update(status="closed")
    assert address not in page().content.decode()


def test_own_skips_are_listed_with_their_reason(page, alice, campaign, fill):
    fill(campaign)
    skip_comparison(
        assignment=claim_next(labeler=alice, campaign=campaign, now=NOW),
        labeler=alice,
        reason="harmful",
        note="a threat",
        client_key=uuid.uuid4(),
        now=NOW,
    )
    html = page().content.decode()
    assert "Harmful" in html
    assert "a threat" in html


def test_the_pace_is_of_attention_and_by_the_day(page, alice, campaign, fill):
    fill(campaign, 3)
    judge(alice, campaign, now=NOW - timedelta(days=3))
    judge(alice, campaign, now=NOW)
    judge(alice, campaign, now=NOW)
    days = pace(alice)
    assert [day.answers for day in days] == [1, 2]
    assert days[-1].per_hour == 1200  # an answer in three seconds
    assert days[-1].median_seconds == 3
    assert len(page().context["charts"]) == 2


def test_a_single_day_is_told_in_figures_without_a_chart_of_one_point(page, alice, campaign, fill):
    fill(campaign)
    judge(alice, campaign, now=NOW)
    context = page().context
    assert context["latest"].answers == 1
    assert context["charts"] == []


def test_a_change_from_the_history_leads_back_to_it(client, alice, campaign, fill):
    fill(campaign)
    given = judge(alice, campaign)
    client.force_login(alice)
    response = client.post(
        reverse("labeling:change_answer", args=[given.pk]) + "?back=history",
        {"answer": "tie", "client_key": str(uuid.uuid4())},
    )
    assert response.headers["Location"] == reverse("labeling:history")


def test_an_outdated_link_to_an_answer_does_not_say_that_something_was_lost(
    client, alice, campaign, fill
):
    fill(campaign)
    given = judge(alice, campaign)
    retract_answer(judgment=given, labeler=alice, client_key=uuid.uuid4(), now=NOW)
    client.force_login(alice)
    response = client.get(reverse("labeling:change_answer", args=[given.pk]))
    html = response.content.decode()
    assert response.status_code == 409
    assert "This answer stays as it is" in html
    assert "was not stored" not in html
