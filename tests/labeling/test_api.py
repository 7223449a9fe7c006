import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from labeling.models import Judgment, Prompt
from tests.cast import judge


@pytest.fixture
def call(campaign):
    """An API client for one person, by token."""

    def as_(user):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
        return client

    return as_


def upload(*rows):
    return SimpleUploadedFile("p.jsonl", "".join(json.dumps(r) + "\n" for r in rows).encode())


GOOD = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}


def address(campaign):
    return reverse("api:preferences", args=[campaign.pk])


def test_a_manager_imports_a_file(call, carol, campaign):
    reply = call(carol).post(address(campaign), {"file": upload(GOOD)})
    assert (reply.status_code, reply.json()["preferences"]) == (201, 1)


def test_a_malformed_line_gets_422_with_its_number_and_nothing_is_imported(call, carol, campaign):
    reply = call(carol).post(address(campaign), {"file": upload(GOOD, {"chosen": "x"})})
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("Line 2: ")
    assert not Prompt.objects.exists()


def test_the_same_file_again_gets_409(call, carol, campaign):
    client = call(carol)
    client.post(address(campaign), {"file": upload(GOOD)})
    assert client.post(address(campaign), {"file": upload(GOOD)}).status_code == 409
    assert Judgment.objects.count() == 1


def test_labelers_and_strangers_find_nothing_there(call, alice, mallory, campaign):
    for user in (alice, mallory):
        client = call(user)
        assert client.get(address(campaign)).status_code == 404
        assert client.post(address(campaign), {"file": upload(GOOD)}).status_code == 404


def test_without_a_token_nothing_is_given(campaign):
    assert APIClient().get(address(campaign)).status_code == 401


def test_a_manager_exports_what_people_judged(call, carol, alice, campaign, fill):
    fill(campaign)
    judge(alice, campaign, preference=2)
    reply = call(carol).get(address(campaign))
    [row] = [json.loads(line) for line in io.BytesIO(reply.getvalue())]
    assert row["chosen"][0]["content"].startswith("Answer two")


def test_the_schema_describes_the_api(call, carol):
    assert b"/api/campaigns/{id}/preferences/" in call(carol).get(reverse("api:schema")).content
