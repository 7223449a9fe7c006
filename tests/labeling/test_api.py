import io
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import ApiToken, AuditEvent, Judgment, Prompt
from labeling.services.tokens import make_token
from tests.cast import judge


@pytest.fixture
def call(campaign):
    """An API client for one person, by token."""

    def as_(user, *scopes):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key_of(user, *scopes)}")
        return client

    return as_


def upload(*rows):
    return SimpleUploadedFile("p.jsonl", "".join(json.dumps(r) + "\n" for r in rows).encode())


def key_of(user, *scopes, days=9, now=None):
    _, key = make_token(
        owner=user,
        name="test",
        scopes=scopes or ["read", "manage"],
        days=days,
        now=now or timezone.now(),
    )
    return key


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


class TestTokens:
    def test_the_key_is_shown_once_and_only_its_hash_is_stored(self, client, carol):
        client.force_login(carol)
        asked = {"name": "nightly", "scopes": ["read"], "days": 30}
        page = client.post(reverse("labeling:tokens"), asked).content.decode()
        token = ApiToken.objects.get()
        key = page.split('value="accord_')[1].split('"')[0]
        assert key not in str(ApiToken.objects.values().get())
        assert f"accord_{key}" not in client.get(reverse("labeling:tokens")).content.decode()
        assert token.hint == f"accord_{key}"[:12]

    def test_a_token_needs_a_scope_and_an_end(self, client, carol):
        client.force_login(carol)
        page = client.post(reverse("labeling:tokens"), {"name": "x", "days": 9999})
        assert page.status_code == 422
        assert "Choose what it may be used for." in page.content.decode()
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize(
        ("scopes", "read", "manage"),
        [(["read"], 200, 403), (["manage"], 403, 201), (["label", "train"], 403, 403)],
    )
    def test_a_token_reaches_only_what_its_scopes_name(
        self, call, carol, campaign, scopes, read, manage
    ):
        client = call(carol, *scopes)
        assert client.get(address(campaign)).status_code == read
        assert client.post(address(campaign), {"file": upload(GOOD)}).status_code == manage

    def test_a_scope_gives_nobody_more_than_they_may(self, call, alice, campaign):
        everything = call(alice, "read", "label", "manage", "train")
        assert everything.get(address(campaign)).status_code == 404

    def test_it_runs_out(self, carol, campaign):
        old = timezone.now() - timedelta(days=10)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key_of(carol, 'read', now=old)}")
        assert client.get(address(campaign)).status_code == 401

    def test_it_is_revoked_by_its_owner_alone(self, client, call, carol, alice, campaign):
        program = call(carol, "read")
        token = ApiToken.objects.get()
        client.force_login(alice)
        revoking = reverse("labeling:revoke_token", args=[token.pk])
        assert client.post(revoking).status_code == 404
        assert program.get(address(campaign)).status_code == 200
        client.force_login(carol)
        client.post(revoking)
        assert program.get(address(campaign)).status_code == 401
        acts = AuditEvent.objects.filter(act__startswith="token.").values_list("act", flat=True)
        assert list(acts) == ["token.revoked", "token.made"]

    def test_a_closed_account_opens_nothing(self, call, carol, campaign):
        program = call(carol, "read")
        carol.is_active = False
        carol.save()
        assert program.get(address(campaign)).status_code == 401

    def test_a_wrong_key_is_refused_even_where_a_session_would_do(self, carol, campaign):
        client = APIClient()
        client.force_login(carol)
        client.credentials(HTTP_AUTHORIZATION="Bearer accord_nonsense")
        assert client.get(reverse("api:schema")).status_code == 401

    def test_the_last_use_is_written_down_but_not_for_each_request(self, call, carol, campaign):
        program = call(carol, "read")
        program.get(address(campaign))
        first = ApiToken.objects.get().last_used_at
        assert first is not None
        program.get(address(campaign))
        assert ApiToken.objects.get().last_used_at == first
