"""Signing in by OpenID Connect, with a real provider on the other side."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from django.utils import timezone

from config.openid import read_providers
from labeling.models import AuditEvent, User
from labeling.services.invitations import accept, invite, token_of
from tests.cast import PASSWORD
from tests.openid_provider import come_by

NINA = {
    "email": "Nina@example.org",
    "email_verified": True,
    "given_name": "Nina",
    "preferred_username": "nina",
}


@pytest.fixture(autouse=True)
def _trusted(trust, known):
    known("nina", **NINA)


@pytest.fixture
def invited(campaign, carol):
    """Invites somebody to the campaign and returns the invitation."""

    def make(email="", role="reviewer", days=14):
        now = timezone.now()
        return invite(campaign=campaign, role=role, email=email, by=carol, now=now, days=days)

    return make


def link(invitation) -> str:
    return reverse("labeling:invitation", args=[token_of(invitation)])


def text(response) -> str:
    return " ".join(response.content.decode().split())


def user_of(client) -> str:
    return User.objects.get(pk=client.session["_auth_user_id"]).username


def is_in(client) -> bool:
    return "_auth_user_id" in client.session


def confirm(client) -> None:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


class TestNewcomers:
    def test_who_was_invited_by_address_gets_an_account_and_the_place(
        self, client, campaign, invited
    ):
        invited("nina@EXAMPLE.org")
        page = come_by(client, "nina")
        assert page["Location"] == "/"
        assert "Welcome to Helpfulness" in text(client.get("/"))
        nina = User.objects.get(username="nina")
        assert (nina.email, nina.first_name) == ("nina@example.org", "Nina")
        assert not nina.has_usable_password()
        assert campaign.memberships.get(user=nina).role == "reviewer"
        acts = set(AuditEvent.objects.filter(actor=nina).values_list("act", flat=True))
        assert acts == {"account.made", "invitation.accepted", "sign_in_method.added"}

    def test_the_next_time_they_are_the_same_person(self, client, invited):
        invited("nina@example.org")
        for _ in range(2):
            client.logout()
            come_by(client, "nina")
            assert user_of(client) == "nina"
        assert SocialAccount.objects.count() == 1

    @pytest.mark.usefixtures("campaign")
    def test_who_was_not_invited_is_turned_away(self, client):
        page = come_by(client, "nina")
        assert page.status_code == 403
        assert "Nobody has invited you yet" in text(page)
        assert not is_in(client)
        assert not User.objects.filter(email="nina@example.org").exists()

    def test_an_invitation_that_ran_out_or_was_used_lets_nobody_in(
        self, client, campaign, invited, alice
    ):
        last_month = timezone.now() - timedelta(days=30)
        invite(campaign=campaign, role="labeler", email="nina@example.org", by=None, now=last_month)
        accept(invitation=invited("nina@example.org"), user=alice, now=timezone.now())
        assert come_by(client, "nina").status_code == 403

    @pytest.mark.parametrize("said", [False, "false", None])
    def test_an_address_that_may_be_somebody_elses_opens_no_invitation(
        self,
        client,
        invited,
        known,
        said,
    ):
        invited("nina@example.org")
        known("impostor", **{**NINA, "email_verified": said})
        page = come_by(client, "impostor")
        assert "does not say that your e-mail address is yours" in text(page)
        assert not is_in(client)

    def test_whoever_holds_the_link_needs_no_address(
        self,
        client,
        campaign,
        invited,
        known,
    ):
        invitation = invited()
        known("otto", email="otto@example.org", email_verified=False)
        assert "Sign in with Company" in text(client.get(link(invitation)))
        assert come_by(client, "otto", address=link(invitation))["Location"] == "/"
        otto = User.objects.get(pk=client.session["_auth_user_id"])
        assert campaign.memberships.get(user=otto).role == "reviewer"
        assert otto.email == ""  # later it might open doors that are not theirs

    def test_a_link_lets_one_person_in(self, client, invited, known):
        invitation = invited()
        known("otto", email="otto@example.org", email_verified=True)
        for sub, lets_in in (("nina", True), ("otto", False)):
            client.logout()
            come_by(client, sub, address=link(invitation))
            assert is_in(client) is lets_in

    @pytest.mark.usefixtures("db")
    def test_a_provider_may_be_set_up_to_admit_everybody_it_knows(self, client, trust):
        trust(ADMITS="everybody")
        come_by(client, "nina")
        assert user_of(client) == "nina"
        assert not User.objects.get(username="nina").memberships.exists()
        assert AuditEvent.objects.filter(act="account.made").exists()

    def test_a_name_that_is_taken_becomes_another_one_and_opens_nobody_elses_account(
        self, client, invited, known, alice
    ):
        invited("nina@example.org")
        known("nina", email="nina@example.org", email_verified=True, preferred_username="alice")
        come_by(client, "nina")
        assert user_of(client) == "nina"


class TestKnownAddresses:
    @pytest.fixture(autouse=True)
    def _address(self, alice):
        alice.email = "Nina@example.org"
        alice.save()

    def test_the_account_with_that_address_does_not_open_by_it(self, client, alice):
        page = come_by(client, "nina")
        assert "sign in to it first" in text(page)
        assert not is_in(client)

    def test_it_does_where_the_provider_is_trusted_and_a_password_of_unknown_origin_ends(
        self,
        client,
        alice,
        trust,
    ):
        trust(TRUSTS_EMAIL="true")
        come_by(client, "nina")
        assert user_of(client) == "alice"
        alice.refresh_from_db()
        assert not alice.has_usable_password()

    def test_trust_makes_up_for_silence_but_not_for_a_no(
        self,
        client,
        alice,
        trust,
        known,
    ):
        trust(TRUSTS_EMAIL="true")
        known("nina", email="nina@example.org", email_verified=False)
        come_by(client, "nina")
        assert not is_in(client)
        known("nina", email="nina@example.org")
        come_by(client, "nina")
        assert user_of(client) == "alice"

    def test_an_address_of_two_accounts_opens_neither(self, client, alice, bob, trust):
        trust(TRUSTS_EMAIL="true")
        bob.email = "nina@example.org"
        bob.save()
        assert "sign in to it first" in text(come_by(client, "nina"))


class TestOwnMethods:
    def test_who_is_signed_in_adds_it_after_the_password_and_gets_in_by_it(self, client, alice):
        client.force_login(alice)
        back = come_by(client, "nina", process="connect")
        assert back["Location"].startswith(reverse("account_reauthenticate"))
        assert not SocialAccount.objects.exists()
        confirm(client)
        assert SocialAccount.objects.get().user == alice
        assert "Company, since" in text(client.get(reverse("mfa_index")))
        client.logout()
        come_by(client, "nina")
        assert user_of(client) == "alice"

    def test_it_belongs_to_one_account(self, client, alice, bob):
        SocialAccount.objects.create(user=bob, provider="company", uid="nina")
        client.force_login(alice)
        come_by(client, "nina", process="connect")
        confirm(client)
        assert SocialAccount.objects.get().user == bob

    def test_it_is_removed_after_the_password(self, client, alice, settings):
        identity = SocialAccount.objects.create(user=alice, provider="company", uid="nina")
        settings.OPENID_PROVIDERS = {}  # also when the provider is gone
        client.force_login(alice)
        remove = reverse("remove_identity", args=[identity.pk])
        client.post(remove)
        assert SocialAccount.objects.exists()
        confirm(client)
        client.post(remove)
        assert not SocialAccount.objects.exists()
        assert AuditEvent.objects.first().act == "sign_in_method.removed"

    def test_the_only_way_in_is_not_removed(self, client, invited):
        invited("nina@example.org")
        come_by(client, "nina")
        identity = SocialAccount.objects.get()
        page = client.post(reverse("remove_identity", args=[identity.pk]), follow=True)
        assert "set a password first" in text(page)
        new = {"password1": "quite another 77", "password2": "quite another 77"}
        client.post(reverse("account_set_password"), new)
        confirm_with = {"password": "quite another 77"}
        client.post(reverse("account_reauthenticate"), confirm_with)
        client.post(reverse("remove_identity", args=[identity.pk]))
        assert not SocialAccount.objects.exists()

    def test_nobody_removes_it_for_others(self, client, alice, bob):
        identity = SocialAccount.objects.create(user=bob, provider="company", uid="nina")
        client.force_login(alice)
        confirm(client)
        assert client.post(reverse("remove_identity", args=[identity.pk])).status_code == 404


class TestTroubles:
    def test_a_closed_account_stays_closed(self, client, alice):
        SocialAccount.objects.create(user=alice, provider="company", uid="nina")
        alice.is_active = False
        alice.save()
        page = come_by(client, "nina")
        assert page["Location"] == reverse("account_inactive")
        assert "This account is closed" in text(client.get(page["Location"]))
        assert not is_in(client)

    @pytest.mark.usefixtures("db")
    def test_an_answer_that_nobody_asked_for_is_refused(self, client, caplog):
        back = reverse("openid_connect_callback", args=["company"])
        page = client.get(back, {"code": "stolen", "state": "made up"})
        assert page.status_code == 502
        assert "did not say who you are" in text(page)
        assert "Company: " in caplog.text

    @pytest.mark.usefixtures("db")
    def test_a_change_of_mind_leads_back_to_the_sign_in(self, client):
        leaving = client.post(reverse("openid_connect_login", args=["company"]))
        (state,) = parse_qs(urlsplit(leaving.context["address"]).query)["state"]
        # By hand: this provider forgets the state when it says no, which it must not.
        back = reverse("openid_connect_callback", args=["company"])
        page = client.get(back, {"error": "access_denied", "state": state})
        assert client.get(page["Location"])["Location"] == reverse("login")

    @pytest.mark.usefixtures("db")
    def test_a_provider_that_is_down_is_said_so(self, client, trust, caplog):
        trust(url="http://localhost:9")
        page = come_by(client, "nina")
        assert "Company does not answer" in caplog.text
        assert page.status_code == 502
        assert "Company did not say who you are" in text(page)

    @pytest.mark.usefixtures("db")
    def test_a_provider_that_is_not_set_up_does_not_exist(self, client):
        assert client.post(reverse("openid_connect_login", args=["other"])).status_code == 404

    @pytest.mark.usefixtures("db")
    def test_a_link_alone_sends_nobody_to_a_provider(self, client):
        """Else a foreign page could sign somebody in to an account that is not theirs."""
        assert client.get(reverse("openid_connect_login", args=["company"])).status_code == 405

    @pytest.mark.usefixtures("db")
    def test_it_leads_to_no_page_elsewhere(self, client, trust):
        trust(ADMITS="everybody")
        assert come_by(client, "nina", address="https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENID_PROVIDERS", "Not good"),
        ("OPENID_COMPANY_URL", ""),
        ("OPENID_COMPANY_URL", "http://login.example.org"),
        ("OPENID_COMPANY_URL", "login.example.org"),
        ("OPENID_COMPANY_CLIENT_ID", ""),
        ("OPENID_COMPANY_CLIENT_SECRET", " "),
        ("OPENID_COMPANY_ADMITS", "anyone"),
        ("OPENID_COMPANY_TRUSTS_EMAIL", "perhaps"),
    ],
)
def test_a_provider_that_is_set_up_wrongly_stops_the_start(name, value):
    environment = {
        "OPENID_PROVIDERS": "company",
        "OPENID_COMPANY_URL": "https://login.example.org",
        "OPENID_COMPANY_CLIENT_ID": "accord",
        "OPENID_COMPANY_CLIENT_SECRET": "shared",
        name: value,
    }
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_providers(environment, "OPENID_PROVIDERS")
    assert str(refusal.value).startswith(name)


def test_several_providers_stand_side_by_side():
    environment = {"OPENID_PROVIDERS": "company, google"}
    for name in ("COMPANY", "GOOGLE"):
        environment[f"OPENID_{name}_URL"] = f"https://{name.lower()}.example.org/"
        environment[f"OPENID_{name}_CLIENT_ID"] = "accord"
        environment[f"OPENID_{name}_CLIENT_SECRET"] = "shared"
    found = read_providers(environment, "OPENID_PROVIDERS")
    assert [(one.name, one.url) for one in found.values()] == [
        ("Company", "https://company.example.org"),
        ("Google", "https://google.example.org"),
    ]
    assert {(one.admits, one.trusts_email) for one in found.values()} == {("invited", False)}
