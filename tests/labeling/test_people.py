"""The people of a campaign: added, changed, removed, invited."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling import errors
from labeling.models import AuditEvent, Invitation, Judgment, Membership, User
from labeling.services.campaigns import change_role, remove_member
from labeling.services.invitations import accept, invitation_of, invite, revoke, token_of
from tests.cast import judge, person
from tests.threads import at_once

NOW = timezone.now()
NEW = {"username": "nina", "password1": "a long enough one 7", "password2": "a long enough one 7"}


@pytest.fixture
def post(client, campaign, carol):
    """Lets the manager press a button of the people's page."""

    def press(name, pk=None, user=carol, **data):
        client.force_login(user)
        return client.post(reverse(f"labeling:{name}", args=[pk or campaign.pk]), data)

    return press


def role_of(user, campaign):
    found = campaign.memberships.filter(user=user).first()
    return found.role if found else None


class TestMembers:
    def test_several_people_are_added_at_once(self, post, campaign):
        dora, emil = person("dora"), person("emil")
        post("add_members", **{"add-names": "dora, emil", "add-role": "reviewer"})
        assert role_of(dora, campaign) == role_of(emil, campaign) == "reviewer"

    def test_a_name_that_nobody_has_adds_nobody_and_is_named(self, post, campaign):
        dora = person("dora")
        page = post("add_members", **{"add-names": "dora zoe", "add-role": "labeler"})
        assert page.status_code == 422
        assert "Nobody here is called zoe." in page.content.decode()
        assert role_of(dora, campaign) is None

    def test_a_role_is_changed_and_the_change_is_recorded(self, post, campaign, alice):
        membership = campaign.memberships.get(user=alice)
        post("change_member", membership.pk, role="reviewer")
        assert role_of(alice, campaign) == "reviewer"
        assert AuditEvent.objects.first().details == {"role": ["labeler", "reviewer"]}

    def test_who_is_removed_keeps_what_they_judged(self, post, campaign, alice, fill):
        fill(campaign)
        judge(alice, campaign)
        post("remove_member", campaign.memberships.get(user=alice).pk)
        assert role_of(alice, campaign) is None
        assert Judgment.objects.filter(labeler=alice).count() == 1

    def test_the_last_manager_neither_leaves_nor_steps_down(self, campaign, carol, alice):
        alone = campaign.memberships.get(user=carol)
        with pytest.raises(errors.NobodyWouldManage):
            remove_member(membership=alone, by=carol)
        with pytest.raises(errors.NobodyWouldManage):
            change_role(membership=alone, role="labeler", by=carol)
        change_role(
            membership=campaign.memberships.get(user=alice), role=Membership.Role.MANAGER, by=carol
        )
        remove_member(membership=alone, by=carol)
        assert role_of(carol, campaign) is None

    def test_a_manager_who_removes_themselves_is_led_home(self, post, campaign, carol, alice):
        campaign.memberships.filter(user=alice).update(role="manager")
        reply = post("remove_member", campaign.memberships.get(user=carol).pk)
        assert reply["Location"] == "/"

    def test_a_manager_of_another_campaign_changes_nobody_here(
        self, post, campaign, alice, mallory
    ):
        other = type(campaign).objects.create(name="Elsewhere")
        Membership.objects.create(campaign=other, user=mallory, role="manager")
        membership = campaign.memberships.get(user=alice)
        assert post("change_member", membership.pk, mallory, role="manager").status_code == 404
        assert post("remove_member", membership.pk, mallory).status_code == 404
        assert role_of(alice, campaign) == "labeler"


@pytest.fixture
def invitation(campaign, carol):
    return invite(campaign=campaign, role="reviewer", email="nina@example.org", by=carol, now=NOW)


def link(invitation):
    return reverse("labeling:invitation", args=[token_of(invitation)])


class TestInvitations:
    def test_a_stranger_makes_an_account_and_takes_part(self, client, campaign, invitation):
        assert client.get(link(invitation)).status_code == 200
        reply = client.post(link(invitation), NEW, follow=True)
        assert "Welcome to Helpfulness" in reply.content.decode()
        nina = User.objects.get(username="nina")
        assert role_of(nina, campaign) == "reviewer"
        assert nina.email == "nina@example.org"
        assert int(client.session["_auth_user_id"]) == nina.pk

    def test_somebody_with_an_account_joins_with_it(self, client, campaign, invitation, mallory):
        client.force_login(mallory)
        assert "Join as mallory" in client.get(link(invitation)).content.decode()
        assert role_of(mallory, campaign) is None  # looking is not joining
        client.post(link(invitation))
        assert role_of(mallory, campaign) == "reviewer"

    def test_it_is_accepted_once(self, client, campaign, invitation, mallory):
        client.post(link(invitation), NEW)
        client.force_login(mallory)
        page = client.post(link(invitation))
        assert page.status_code == 410
        assert "accepted already" in page.content.decode()
        assert role_of(mallory, campaign) is None

    def test_a_bad_password_makes_no_account_and_leaves_the_invitation(self, client, invitation):
        page = client.post(link(invitation), {**NEW, "password1": "short", "password2": "short"})
        assert page.status_code == 422
        assert not User.objects.filter(username="nina").exists()
        assert invitation_of(token_of(invitation), NOW) == invitation

    def test_it_runs_out(self, invitation):
        with pytest.raises(errors.InvitationGone, match="run out"):
            invitation_of(token_of(invitation), NOW + timedelta(days=14))

    def test_it_can_be_taken_back_until_it_is_accepted(self, post, invitation, alice, carol):
        post("revoke_invitation", invitation.pk)
        with pytest.raises(errors.InvitationGone, match="taken back"):
            invitation_of(token_of(invitation), NOW)
        second = invite(campaign=invitation.campaign, role="manager", email="", by=carol, now=NOW)
        accept(invitation=second, user=alice, now=NOW)
        with pytest.raises(errors.InvitationGone, match="accepted already"):
            revoke(invitation=second, by=carol, now=NOW)

    def test_a_link_that_was_changed_leads_nowhere(self, client, invitation):
        token = token_of(invitation)
        for spoilt in (token[:-1], token + "A", "A" + token, "x"):
            page = client.get(reverse("labeling:invitation", args=[spoilt]))
            assert page.status_code == 410

    def test_the_role_of_a_link_can_not_be_raised_afterwards(self, invitation):
        token = token_of(invitation)
        Invitation.objects.update(role="manager")
        with pytest.raises(errors.InvitationGone):
            invitation_of(token, NOW)

    def test_a_member_rises_and_never_falls(self, campaign, invitation, alice, carol):
        accept(invitation=invitation, user=alice, now=NOW)
        assert role_of(alice, campaign) == "reviewer"
        lower = invite(campaign=campaign, role="labeler", email="", by=carol, now=NOW)
        with pytest.raises(errors.AlreadyMember):
            accept(invitation=lower, user=alice, now=NOW)
        assert invitation_of(token_of(lower), NOW) == lower

    def test_all_of_it_is_recorded(self, client, invitation):
        client.post(link(invitation), NEW)
        acts = list(AuditEvent.objects.order_by("-id").values_list("act", flat=True)[:3])
        assert acts == ["invitation.accepted", "account.made", "invitation.sent"]


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_accept_at_the_same_moment_one_gets_the_place(
    campaign, invitation, mallory
):
    dora = person("dora")

    def take(user):
        try:
            accept(invitation=invitation, user=user, now=NOW)
        except errors.InvitationGone:
            return "out"
        return "in"

    assert sorted(at_once(take, [dora, mallory])) == ["in", "out"]
    assert campaign.memberships.filter(role="reviewer").count() == 1
