"""Rankings over HTTP: what the form takes and refuses, and what a campaign of them may be."""

import uuid

import pytest
from django.urls import reverse

from labeling.models import Assignment, Campaign, Judgment, Ranking
from tests.cast import group, rank

TEXTS = ["Paris.", "Lyon.", "Rome."]


@pytest.fixture
def three(ranked, policy):
    return group(ranked, policy, "The capital of France?", TEXTS)


@pytest.fixture
def held(client, three, ranked, alice):
    client.force_login(alice)
    client.get(reverse("labeling:work", args=[ranked.pk]))
    return Assignment.objects.get()


def places(*given):
    return {f"place-{position}": place for position, place in enumerate(given)}


def send(client, assignment, *given, key=None, **headers):
    data = {**places(*given), "client_key": str(key or uuid.uuid4()), "seconds": "4.5"}
    return client.post(reverse("labeling:judge", args=[assignment.pk]), data, **headers)


def test_places_on_the_screen_become_ranks_of_the_candidates(client, held, three):
    send(client, held, 2, 1, 3)
    on_screen = dict(zip(held.shown_order, (2, 1, 3), strict=True))
    assert Ranking.objects.get().ranks == [on_screen[place] for place in range(3)]


@pytest.mark.parametrize(
    "given", [(), (1, 2), (1, 2, ""), (1, 2, 4), (0, 1, 2), ("first", 2, 3), ("1", "2", "\x00")]
)
def test_an_order_with_a_hole_or_of_no_numbers_is_given_back_with_a_sentence(client, held, given):
    response = send(client, held, *given, headers={"accept": "application/json"})
    assert response.status_code == 422
    assert "Give each of the responses a place." in response.json()["refusal"]
    assert send(client, held, *given).status_code == 422
    assert not Judgment.objects.exists()


def test_someone_elses_group_is_refused_and_never_shown(client, held, bob):
    client.force_login(bob)
    response = send(client, held, 1, 2, 3)
    assert response.status_code == 409
    assert "Your time on this comparison ran out" in response.content.decode()
    assert "Paris" not in response.content.decode()


def test_a_stranger_sees_nothing(client, held, mallory):
    client.force_login(mallory)
    assert send(client, held, 1, 2, 3).status_code == 404


def test_a_replayed_key_with_another_order_is_refused(client, held):
    key = uuid.uuid4()
    send(client, held, 1, 2, 3, key=key)
    assert send(client, held, 1, 2, 3, key=key).status_code == 302
    assert send(client, held, 3, 2, 1, key=key).status_code == 409
    assert Ranking.objects.count() == 1


def test_a_closed_campaign_gives_the_order_back_in_words(client, held, ranked):
    ranked.status = Campaign.Status.CLOSED
    ranked.save()
    response = send(client, held, 2, 1, 1)
    assert response.status_code == 409
    assert "B = C &gt; A" in response.content.decode()


def test_read_ahead_pages_hold_groups_and_no_hint_of_the_author(client, held, ranked, policy):
    for n in range(2):  # one of them stays for the other labeler
        group(ranked, policy, f"Another {n}?", TEXTS)
    answer = client.post(
        reverse("labeling:ahead", args=[ranked.pk]), {"have": str(held.pk), "want": 2}
    ).json()
    [pair] = answer["pairs"]
    assert "data-ranking" in pair["html"]
    assert policy.name not in pair["html"]


def test_the_history_shows_one_line_an_order(client, ranked, three, alice):
    rank(alice, ranked, [1, 2, 2])
    client.force_login(alice)
    page = client.get(reverse("labeling:history")).content.decode()
    letters = {place: "ABC"[at] for at, place in enumerate(Assignment.objects.get().shown_order)}
    tied = " = ".join(sorted((letters[1], letters[2])))
    assert f"{letters[0]} &gt; {tied}" in page
    assert page.count("change_answer") == 0
    assert page.count("/label/judgments/") == 1


class TestCampaigns:
    def make(self, client, policies, **more):
        data = {
            "name": "Orders",
            "kind": "ranking",
            "overlap": 1,
            "lease_minutes": 30,
            "strength": 3,
            "responses": 2,
            "temperature": 1,
            "max_tokens": 64,
            "policies": [p.pk for p in policies],
            "allow_tie": "on",
            **more,
        }
        return client.post(reverse("labeling:create"), data)

    @pytest.fixture(autouse=True)
    def _manager(self, client, campaign, carol):
        client.force_login(carol)

    def test_a_ranking_campaign_is_made_with_no_scale(self, client, policy):
        assert self.make(client, [policy], responses=4, rationale_from=2).status_code == 302
        made = Campaign.objects.get(name="Orders")
        assert (made.kind, made.strength, made.rationale_from) == ("ranking", 1, None)

    @pytest.mark.parametrize("responses", [2, 10])
    def test_too_few_or_too_many_responses_are_said(self, client, policy, responses):
        response = self.make(client, [policy], responses=responses)
        assert response.status_code == 422
        assert f"these policies give {responses}" in response.content.decode()

    def test_aspects_are_refused(self, client, policy):
        response = self.make(client, [policy], responses=4, aspects="helpful")
        assert response.status_code == 422
        assert "A ranking asks for the order alone" in response.content.decode()

    def test_editing_keeps_it_without_a_scale(self, client, ranked):
        data = {"name": "Orders", "overlap": 1, "lease_minutes": 30, "strength": 4}
        assert client.post(reverse("labeling:edit", args=[ranked.pk]), data).status_code == 302
        ranked.refresh_from_db()
        assert (ranked.name, ranked.strength) == ("Orders", 1)

    @pytest.mark.parametrize("kind", ["ranking", "chat"])
    def test_a_file_of_pairs_is_refused_where_no_pairs_are_judged(self, client, campaign, kind):
        from django.core.files.uploadedfile import SimpleUploadedFile

        Campaign.objects.filter(pk=campaign.pk).update(kind=kind, strength=1)
        file = SimpleUploadedFile("x.jsonl", b'{"prompt": "a", "chosen": "b", "rejected": "c"}')
        address = reverse("labeling:import", args=[campaign.pk])
        page = client.post(address, {"file": file}, follow=True).content.decode()
        assert "import it into a campaign of pairs" in page
        assert not Judgment.objects.exists()
