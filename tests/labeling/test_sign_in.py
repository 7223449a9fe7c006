"""Signing in: by password, and with a second factor."""

import io
import json
import re
import zipfile

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import AuditEvent
from labeling.services import audit
from labeling.services.tokens import make_token
from tests.authenticator_app import code_at
from tests.cast import PASSWORD, person
from tests.threads import at_once

LOGIN = "/accounts/login/"
WRONG = "The name and the password do not belong together."


def enter(client, name="alice", password=PASSWORD, **more):
    return client.post(LOGIN, {"username": name, "password": password, **more})


def text(response) -> str:
    return " ".join(response.content.decode().split())


def is_in(client) -> bool:
    return client.get("/").status_code == 200


@pytest.fixture
def turn_on(client, phone):
    """Lets somebody turn the second factor on, as the pages lead through it."""

    def go_through(user):
        client.force_login(user)
        set_up = reverse("mfa_activate_totp")
        asked = client.get(set_up)
        client.post(asked["Location"], {"password": PASSWORD})
        phone.secret = client.get(set_up).context["form"].secret
        reply = client.post(set_up, {"code": phone.code()})
        assert reply.status_code == 302, text(reply)
        client.get(reply["Location"])
        phone.wait()
        return phone

    return go_through


def codes_of(client) -> list[str]:
    return client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]


def test_the_tests_app_shows_what_the_rfc_says():
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    shown = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {at: code_at(secret, at) for at in shown} == shown


class TestPassword:
    def test_it_opens_the_page_that_was_asked_for(self, client, alice):
        assert enter(client, next="/label/")["Location"] == "/label/"
        assert is_in(client)

    def test_it_opens_no_page_elsewhere(self, client, alice):
        assert enter(client, next="https://evil.example/")["Location"] == "/"

    def test_a_wrong_one_is_refused_in_one_sentence_whether_or_not_the_name_is_known(
        self, client, alice
    ):
        for name in ("alice", "nobody"):
            assert WRONG in text(enter(client, name, "wrong"))
        assert not is_in(client)

    def test_a_closed_account_stays_closed(self, client, alice):
        alice.is_active = False
        alice.save()
        enter(client)
        assert not is_in(client)

    def test_five_wrong_ones_lock_the_account_and_no_other(self, client, alice, bob):
        for _ in range(5):
            assert WRONG in text(enter(client, password="wrong"))
        assert "Wait five minutes" in text(enter(client))
        assert not is_in(client)
        enter(client, "bob")
        assert is_in(client)

    def test_attempts_are_counted_for_all_web_processes(self, client, alice):
        enter(client, password="wrong")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM shared_cache WHERE cache_key LIKE '%login_failed%'"
            )
            assert cursor.fetchone()[0] == 2  # by address and by name

    def test_a_new_one_needs_the_old_one_and_ends_other_sessions(self, client, alice):
        elsewhere = Client()
        for browser in (client, elsewhere):
            enter(browser)
        new = {"password1": "quite another 77", "password2": "quite another 77"}
        page = reverse("account_change_password")
        client.post(page, {"oldpassword": "wrong", **new})
        assert is_in(elsewhere)
        client.post(page, {"oldpassword": PASSWORD, **new})
        assert is_in(client)
        assert not is_in(elsewhere)
        event = AuditEvent.objects.get(act="password.changed")
        assert (event.actor, event.subject) == (alice, "alice")

    def test_the_engine_room_has_no_door_of_its_own(self, client, db):
        door = "/admin/login/?next=/admin/"
        assert client.get(door)["Location"].startswith(LOGIN)
        person("root", is_staff=True, is_superuser=True)
        client.post(door, {"username": "root", "password": PASSWORD})
        assert not is_in(client)

    def test_nobody_signs_up_unasked(self, client):
        for path in ("/accounts/signup/", "/accounts/", "/accounts/email/"):
            assert client.get(path).status_code == 404


class TestSecondFactor:
    def test_from_then_on_the_password_alone_opens_nothing(self, client, alice, turn_on):
        phone = turn_on(alice)
        client.logout()
        assert enter(client)["Location"].startswith(reverse("mfa_authenticate"))
        assert not is_in(client)
        refused = client.post(reverse("mfa_authenticate"), {"code": "000000"})
        assert "This code is wrong" in text(refused)
        assert not is_in(client)
        client.post(reverse("mfa_authenticate"), {"code": phone.code()})
        assert is_in(client)

    def test_a_code_opens_once(self, client, alice, turn_on):
        phone = turn_on(alice)
        for opens in (True, False):
            client.logout()
            enter(client)
            client.post(reverse("mfa_authenticate"), {"code": phone.code()})
            assert is_in(client) is opens

    def test_a_recovery_code_opens_once(self, client, alice, turn_on):
        turn_on(alice)
        code = codes_of(client)[3]
        for opens in (True, False):
            client.logout()
            enter(client)
            client.post(reverse("mfa_authenticate"), {"code": code})
            assert is_in(client) is opens

    def test_new_recovery_codes_void_the_old_ones(self, client, alice, turn_on):
        turn_on(alice)
        old = codes_of(client)
        client.post(reverse("mfa_generate_recovery_codes"))
        new = codes_of(client)
        assert len(new) == 10
        assert not set(old) & set(new)
        file = client.get(reverse("mfa_download_recovery_codes"))
        assert file.content.decode().split() == new

    def test_codes_can_not_be_tried_out(self, client, alice, turn_on):
        phone = turn_on(alice)
        client.logout()
        enter(client)
        for _ in range(5):
            client.post(reverse("mfa_authenticate"), {"code": "000000"})
        refused = client.post(reverse("mfa_authenticate"), {"code": phone.code()})
        assert "too many attempts" in text(refused)
        assert not is_in(client)

    def test_it_is_not_turned_on_by_whoever_finds_an_open_page(self, client, alice):
        client.force_login(alice)
        asked = client.get(reverse("mfa_activate_totp"))
        assert asked["Location"].startswith(reverse("account_reauthenticate"))
        client.post(reverse("mfa_activate_totp"), {"code": "123456"})
        assert not Authenticator.objects.exists()

    def test_it_is_turned_off_by_its_owner(self, client, alice, turn_on):
        turn_on(alice)
        client.post(reverse("mfa_deactivate_totp"))
        assert not Authenticator.objects.exists()
        client.logout()
        enter(client)
        assert is_in(client)

    def test_an_administrator_turns_it_off_for_who_lost_the_phone(self, client, alice, turn_on):
        turn_on(alice)
        root = person("root", is_staff=True, is_superuser=True)
        client.force_login(root)
        chosen = list(Authenticator.objects.values_list("pk", flat=True))
        client.post(
            reverse("admin:mfa_authenticator_changelist"),
            {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
        )
        assert not Authenticator.objects.exists()
        removed = AuditEvent.objects.filter(act="sign_in_method.removed")
        assert [(event.actor, event.subject) for event in removed] == [(root, "alice")] * 2

    def test_each_change_is_recorded(self, client, alice, turn_on):
        turn_on(alice)
        client.post(reverse("mfa_deactivate_totp"))
        events = AuditEvent.objects.filter(actor=alice, subject="alice").order_by("id")
        assert [(event.act, event.details["method"]) for event in events] == [
            ("sign_in_method.added", "totp"),
            ("sign_in_method.added", "recovery_codes"),
            ("sign_in_method.removed", "totp"),
            ("sign_in_method.removed", "recovery_codes"),
        ]

    def test_it_is_not_turned_on_without_a_record(self, alice, turn_on, monkeypatch):
        def fail(**_):
            raise DatabaseError("no room")

        monkeypatch.setattr(audit.AuditEvent.objects, "create", fail)
        with pytest.raises(DatabaseError):
            turn_on(alice)
        assert not Authenticator.objects.exists()

    def test_a_stolen_dump_holds_no_secret_and_another_key_opens_nothing(
        self, client, alice, turn_on, settings
    ):
        phone = turn_on(alice)
        factor = Authenticator.objects.get(type="totp")
        assert phone.secret not in str(factor.data)
        assert factor.wrap().validate_code(phone.code())
        phone.wait()
        settings.SECRET_KEY = "another key, which decrypts nothing of this"
        assert not factor.wrap().validate_code(phone.code())
        codes = Authenticator.objects.get(type="recovery_codes").wrap()
        assert not codes.validate_code("00000000")

    def test_a_manager_sees_who_has_one(self, client, campaign, carol, alice, turn_on):
        turn_on(alice)
        client.force_login(carol)
        page = client.get(reverse("labeling:people", args=[campaign.pk]))
        assert page.context["with_second_factor"] == {alice.pk}
        assert text(page).count('<span class="badge good">second factor</span>') == 1

    def test_ones_own_data_names_it_and_holds_no_secret_of_it(self, client, alice, turn_on):
        phone = turn_on(alice)
        secrets = [phone.secret, *codes_of(client)]
        pieces = client.get(reverse("labeling:own_data_file")).streaming_content
        archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
        row = json.loads(archive.read("mfa-authenticator-user.jsonl").splitlines()[0])
        assert row["type"] == "totp"
        assert "data" not in row
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
        assert not [secret for secret in secrets if secret in everything]

    def test_a_language_chosen_before_the_code_becomes_the_users(self, client, alice, turn_on):
        phone = turn_on(alice)
        client.logout()
        client.post(reverse("labeling:language"), {"language": "es", "back": LOGIN})
        enter(client)
        client.post(reverse("mfa_authenticate"), {"code": phone.code()})
        alice.refresh_from_db()
        assert alice.language == "es"

    def test_the_page_says_what_is_set(self, client, alice, turn_on):
        client.force_login(alice)
        assert "Turn it on" in text(client.get(reverse("mfa_index")))
        turn_on(alice)
        assert "10 recovery codes are left." in text(client.get(reverse("mfa_index")))


class TestRequired:
    @pytest.fixture(autouse=True)
    def _required(self, settings):
        settings.REQUIRE_TOTP = True

    def test_managers_engineers_and_administrators_are_led_to_it(
        self, client, campaign, carol, erin
    ):
        for who in (carol, erin, person("root", is_staff=True, is_superuser=True)):
            client.force_login(who)
            for page in ("/", reverse("labeling:campaigns"), "/admin/"):
                assert client.get(page)["Location"] == reverse("mfa_activate_totp"), (who, page)

    def test_labelers_are_not(self, client, campaign, alice):
        client.force_login(alice)
        assert is_in(client)

    def test_with_it_everything_opens_again_and_it_stays_on(self, client, campaign, carol, turn_on):
        turn_on(carol)
        assert client.get(reverse("labeling:campaigns")).status_code == 200
        page = client.post(reverse("mfa_deactivate_totp"))
        assert "Your role needs a second factor" in text(page)
        assert Authenticator.objects.filter(type="totp").exists()

    def test_they_can_leave_and_choose_a_language_without(self, client, campaign, carol):
        client.force_login(carol)
        assert client.post(reverse("labeling:language"), {"language": "de"})["Location"] == "/"
        client.post(reverse("logout"))
        assert "_auth_user_id" not in client.session

    def test_the_api_is_closed_to_their_pages_and_open_to_their_tokens(
        self, client, campaign, carol
    ):
        address = reverse("api:preferences", args=[campaign.pk])
        client.force_login(carol)
        assert client.get(address).status_code == 403
        _, key = make_token(owner=carol, name="n", scopes=["read"], days=1, now=timezone.now())
        program = Client(headers={"authorization": f"Bearer {key}"})
        assert program.get(address).status_code == 200

    def test_a_part_that_a_page_asks_for_leads_the_whole_page_there(self, client, campaign, carol):
        client.force_login(carol)
        reply = client.get("/", headers={"HX-Request": "true"})
        assert reply["HX-Redirect"] == reverse("mfa_activate_totp")


@pytest.mark.django_db(transaction=True)
def test_guessing_by_many_at_once_gets_no_further_than_one_by_one(alice):
    tried = []

    def check_password(self, raw):
        tried.append(raw)
        return False

    def guess(number):
        enter(Client(), password=f"guess {number}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(alice), "check_password", check_password)
        at_once(guess, range(8))
    cache.clear()  # the rows of this test are no model's, and stay
    assert 0 < len(tried) <= 5


class TestForgottenPassword:
    @pytest.fixture(autouse=True)
    def _mail(self, settings, alice):
        cache.clear()  # attempts that other tests made within this minute
        settings.MAIL_IS_SENT = True  # into django.core.mail.outbox
        settings.PUBLIC_URL = "https://accord.example.org"
        alice.email = "Alice@example.org"
        alice.save()

    def ask(self, client, address="alice@EXAMPLE.org"):
        return client.post(reverse("account_reset_password"), {"email": address})

    def link(self, mail) -> str:
        (found,) = re.findall(r"https://accord\.example\.org(/\S+)", mail.body)
        return found

    def test_a_link_comes_by_mail_and_is_good_once(self, client, alice, mailoutbox):
        enter(client)
        elsewhere = Client()
        assert self.ask(elsewhere)["Location"] == reverse("account_reset_password_done")
        (mail,) = mailoutbox
        assert mail.to == ["alice@example.org"]
        assert mail.subject == "A new password for Accord"
        address = self.link(mail)
        form = elsewhere.get(address, follow=True).context["action_url"]
        new = {"password1": "quite another 77", "password2": "quite another 77"}
        elsewhere.post(form, new)
        assert not is_in(client)  # wherever they were signed in before
        assert not is_in(elsewhere)
        enter(elsewhere, password="quite another 77")
        assert is_in(elsewhere)
        assert "This link leads nowhere" in text(Client().get(address))
        event = AuditEvent.objects.get(act="password.reset")
        assert (event.actor, event.subject) == (alice, "alice")

    def test_nobody_learns_whether_there_is_such_an_account(self, client, mailoutbox):
        known, unknown = self.ask(client), self.ask(client, "stranger@example.org")
        assert known["Location"] == unknown["Location"]
        assert len(mailoutbox) == 1

    def test_the_second_factor_is_asked_for_all_the_same(self, client, alice, turn_on, mailoutbox):
        turn_on(alice)
        client.logout()
        self.ask(client)
        form = client.get(self.link(mailoutbox[0]), follow=True).context["action_url"]
        client.post(form, {"password1": "quite another 77", "password2": "quite another 77"})
        enter(client, password="quite another 77")
        assert not is_in(client)

    def test_who_was_locked_out_gets_in_with_the_new_one_at_once(self, client, mailoutbox):
        for _ in range(6):
            enter(client, password="wrong")
        self.ask(client)
        form = client.get(self.link(mailoutbox[0]), follow=True).context["action_url"]
        client.post(form, {"password1": "quite another 77", "password2": "quite another 77"})
        enter(client, password="quite another 77")
        assert is_in(client)

    def test_five_links_a_minute_are_enough(self, client, mailoutbox):
        answers = [self.ask(client).status_code for _ in range(6)]
        assert answers == [302] * 5 + [429]
        assert len(mailoutbox) == 5

    def test_where_no_mail_is_set_up_the_page_says_so_and_sends_none(
        self, client, settings, mailoutbox
    ):
        settings.MAIL_IS_SENT = False
        assert "No mail is set up here" in text(client.get(reverse("account_reset_password")))
        assert self.ask(client).status_code == 422
        assert not mailoutbox

    def test_a_mail_server_that_is_down_is_said_so(self, client, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        page = self.ask(client)
        assert page.status_code == 422
        assert "The mail server does not answer" in text(page)
