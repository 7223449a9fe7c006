"""What goes wrong between a labeler and the server, and what becomes of the answer."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import Assignment, Campaign, Judgment
from labeling.services.assignments import claim_next

NOW = timezone.now()


@pytest.fixture
def held(alice, campaign, fill):
    fill(campaign, 2)
    return claim_next(labeler=alice, campaign=campaign, now=NOW)


@pytest.fixture
def send(client, alice):
    client.force_login(alice)

    def post(assignment, **fields):
        fields = {"answer": "-2", "client_key": str(uuid.uuid4()), **fields}
        return client.post(reverse("labeling:judge", args=[assignment.pk]), fields)

    return post


def text(response):
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize(
    "forged",
    [
        {"answer": "first"},
        {"answer": "-2.5"},
        {"answer": "99999999999999999999"},
        {"answer": "−2"},
        {"flags": "invented"},
        {"seconds": "-1"},
        {"seconds": "nan"},
        {"seconds": "inf"},
        {"client_key": "1"},
        {"client_key": ""},
    ],
    ids=str,
)
def test_forged_values_are_refused_with_a_sentence(send, held, forged):
    response = send(held, **forged)
    assert response.status_code == 422
    assert 'role="alert"' in text(response)
    assert not Judgment.objects.exists()


def test_a_forged_side_changes_nothing(send, held):
    send(held, first_on_left=str(not held.first_on_left), preference="3")
    assert Judgment.objects.get().preference == (-2 if held.first_on_left else 2)


def test_an_assignment_of_a_campaign_one_is_not_in_does_not_exist(client, held, mallory):
    client.force_login(mallory)
    address = reverse("labeling:judge", args=[held.pk])
    assert client.post(address, {"answer": "1"}).status_code == 404


def test_an_answer_for_a_closed_campaign_is_refused_and_shown_again(send, held):
    Campaign.objects.update(status=Campaign.Status.CLOSED)
    response = send(held, rationale="It is right.")
    assert response.status_code == 409
    assert "takes no answers at the moment" in text(response)
    assert "It is right." in text(response)
    assert "Left is better" in text(response)


def test_an_answer_brings_the_next_pair_to_a_page_that_asks_for_it(send, held, client, alice):
    client.defaults["HTTP_ACCEPT"] = "application/json"
    assert "next" not in send(held).json()
    second = claim_next(labeler=alice, campaign=held.comparison.campaign, now=NOW)
    told = send(second, next="1").json()
    assert 'id="pair"' in told["next"]
    assert "No pair is waiting" in told["next"]
    assert "<html" not in told["next"]


def test_a_key_replayed_with_another_answer_changes_nothing(send, held):
    key = str(uuid.uuid4())
    send(held, client_key=key)
    response = send(held, client_key=key, answer="3")
    assert response.status_code == 409
    assert "the first one counts" in text(response)
    assert abs(Judgment.objects.get().preference) == 2


def test_a_rationale_of_a_megabyte_is_refused_and_the_choice_is_kept(send, held):
    response = send(held, rationale="x" * 1_000_000)
    assert response.status_code == 422
    assert response.context["form"]["answer"].value() == "-2"
    assert not Judgment.objects.exists()


def test_a_body_that_is_not_utf_8_is_no_server_error(client, send, held):
    body = b"answer=-2&rationale=\xff\xfe&client_key=" + str(uuid.uuid4()).encode()
    response = client.post(
        reverse("labeling:judge", args=[held.pk]),
        body,
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code in (302, 400, 422)


@pytest.mark.parametrize("taken", [False, True])
def test_an_answer_after_its_lease_is_stored_unless_someone_took_the_pair(
    send, held, bob, campaign, taken
):
    Assignment.objects.filter(pk=held.pk).update(leased_until=NOW - timedelta(minutes=1))
    if taken:
        claim_next(labeler=bob, campaign=campaign, now=NOW)
    response = send(held, rationale="Two sentences. Kept.")
    assert Judgment.objects.exists() is not taken
    if taken:
        assert response.status_code == 409
        assert "ran out, so it went to someone else" in text(response)
        assert "Two sentences. Kept." in text(response)
        assert "Left is better" in text(response)


def test_two_tabs_store_one_answer_and_the_second_is_told(send, held):
    send(held)
    response = send(held, answer="2")
    assert response.status_code == 409
    assert "the first answer counts" in text(response)
    assert Judgment.objects.count() == 1


def test_back_shows_the_pair_that_is_held_now(client, send, held, campaign):
    send(held)
    response = client.get(reverse("labeling:work", args=[campaign.pk]))
    assert response.context["assignment"] not in (None, held)
    assert "no-store" in response.headers["Cache-Control"]


def test_an_answer_after_logging_out_leads_to_the_sign_in_and_the_pair_stays_held(
    client, send, held, alice, campaign
):
    client.logout()
    response = client.post(reverse("labeling:judge", args=[held.pk]), {"answer": "1"})
    assert response.headers["Location"].startswith("/accounts/login/")
    assert not Judgment.objects.exists()
    assert claim_next(labeler=alice, campaign=campaign, now=NOW) == held


def test_what_a_browser_keeps_for_later_reserves_nothing(client, campaign, alice, fill):
    fill(campaign, 2)
    client.force_login(alice)
    address = reverse("labeling:work", args=[campaign.pk])
    assert client.get(address, headers={"X-Keep": "1"}).status_code == 204
    assert not Assignment.objects.filter(labeler=alice).exists()

    client.get(address)
    leases = list(Assignment.objects.order_by("id").values_list("labeler", "leased_until"))
    kept = client.get(address, headers={"X-Keep": "1"})
    assert kept.context["assignment"].labeler == alice
    assert list(Assignment.objects.order_by("id").values_list("labeler", "leased_until")) == leases
