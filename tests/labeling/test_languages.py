"""Which language somebody reads."""

import pytest
from django.urls import reverse

from labeling.languages import PAGE
from tests.cast import PASSWORD

LOGIN = "/accounts/login/"


def language(response) -> str:
    return response.headers["Content-Language"]


def choose(client, code, back="/"):
    return client.post(reverse("labeling:language"), {"language": code, "back": back})


@pytest.mark.parametrize(
    ("asked", "given"),
    [("fr-CA,fr;q=0.9", "fr"), ("zh-CN", "zh-hans"), ("ar-EG", "ar"), ("fi", "en"), ("", "en")],
)
@pytest.mark.django_db
def test_a_stranger_reads_what_the_browser_asks_for_where_it_is_offered(client, asked, given):
    assert language(client.get(LOGIN, headers={"accept-language": asked})) == given


@pytest.mark.django_db
def test_a_choice_counts_before_anybody_is_signed_in(client):
    response = choose(client, "de", back=LOGIN)
    assert response.headers["Location"] == LOGIN
    assert 'lang="de"' in client.get(LOGIN, headers={"accept-language": "fr"}).content.decode()


def test_a_choice_on_the_sign_in_page_becomes_the_users(client, alice):
    choose(client, "es")
    client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    alice.refresh_from_db()
    assert alice.language == "es"
    assert language(client.get("/")) == "es"


def test_a_choice_is_the_users_wherever_they_sign_in(client, alice):
    client.force_login(alice)
    choose(client, "ar")
    client.logout()
    client.cookies.clear()
    client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    assert language(client.get("/", headers={"accept-language": "fr"})) == "ar"


def test_what_someone_else_chose_in_a_browser_is_not_the_next_ones(client, alice, bob):
    client.force_login(alice)
    choose(client, "ar")
    client.post(reverse("logout"))
    assert language(client.get(LOGIN)) == "ar"
    bob.language = "de"
    bob.save()
    client.post(LOGIN, {"username": "bob", "password": PASSWORD})
    bob.refresh_from_db()
    assert (bob.language, language(client.get("/"))) == ("de", "de")
    client.post(reverse("logout"))
    assert language(client.get(LOGIN)) == "de"


def test_what_a_page_asks_for_comes_in_the_language_of_the_page(client, alice):
    client.force_login(alice)
    choose(client, "de")
    assert language(client.get("/", headers={PAGE: "fr"})) == "fr"
    assert language(client.get("/", headers={PAGE: "tlh"})) == "de"


@pytest.mark.django_db
def test_a_language_that_is_not_offered_and_a_foreign_address_lead_nowhere(client):
    assert choose(client, "tlh").status_code == 400
    assert client.get(reverse("labeling:language")).status_code == 405
    assert choose(client, "de", back="https://evil.example/").headers["Location"] == "/"


@pytest.mark.parametrize(("code", "direction"), [("ar", ' dir="rtl"'), ("fr", "")])
@pytest.mark.django_db
def test_a_page_says_its_language_and_its_direction(client, code, direction):
    choose(client, code)
    assert f'<html lang="{code}" data-user=""{direction}>' in client.get(LOGIN).content.decode()
    assert f'<html lang="{code}"{direction}>' in client.get("/nothing/").content.decode()
