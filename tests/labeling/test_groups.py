"""Labelers whom a campaign invites as one."""

import pytest
from django.urls import reverse

from labeling import errors
from labeling.models import AuditEvent, Campaign, LabelerGroup
from labeling.services.campaigns import add_members
from labeling.services.groups import (
    dismiss_group,
    found_group,
    invite_group,
    join_group,
    leave_group,
)
from tests.cast import person


@pytest.fixture
def dora(db):
    return person("dora")


@pytest.fixture
def group(carol, dora):
    return found_group(name="Evening shift", people=[dora], by=carol)


def labelers(campaign):
    members = campaign.memberships.filter(role="labeler").order_by("user__username")
    return list(members.values_list("user__username", flat=True))


def test_all_of_a_group_label_in_a_campaign_that_invites_it(campaign, group, carol, alice, mallory):
    invite_group(campaign=campaign, group=group, by=carol)
    assert labelers(campaign) == ["alice", "bob", "dora"]
    join_group(group=group, people=[mallory], by=carol)
    assert labelers(campaign) == ["alice", "bob", "dora", "mallory"]
    acts = AuditEvent.objects.filter(campaign=campaign).values_list("act", flat=True)
    assert "group.invited" in acts


def test_who_leaves_the_group_leaves_its_campaigns(campaign, group, carol, dora):
    invite_group(campaign=campaign, group=group, by=carol)
    leave_group(group=group, user=dora, by=carol)
    assert labelers(campaign) == ["alice", "bob"]


def test_a_place_of_ones_own_stays(campaign, group, carol, alice, dora):
    join_group(group=group, people=[alice, carol], by=carol)
    invite_group(campaign=campaign, group=group, by=carol)
    dismiss_group(campaign=campaign, group=group, by=carol)
    assert labelers(campaign) == ["alice", "bob"]
    assert campaign.memberships.get(user=carol).role == "manager"


def test_a_place_by_two_groups_goes_with_the_last(campaign, group, carol, dora):
    other = found_group(name="French", people=[dora], by=carol)
    for each in (group, other):
        invite_group(campaign=campaign, group=each, by=carol)
    dismiss_group(campaign=campaign, group=group, by=carol)
    assert "dora" in labelers(campaign)
    leave_group(group=other, user=dora, by=carol)
    assert "dora" not in labelers(campaign)


def test_another_campaign_is_not_concerned(campaign, group, carol, dora):
    other = Campaign.objects.create(name="Another")
    add_members(campaign=other, users=[dora], role="labeler")
    invite_group(campaign=campaign, group=group, by=carol)
    leave_group(group=group, user=dora, by=carol)
    assert labelers(other) == ["dora"]


def test_a_name_is_given_once(group, carol):
    with pytest.raises(errors.NameTaken):
        found_group(name="Evening shift", people=[], by=carol)


class TestPages:
    def test_a_manager_makes_a_group_and_invites_it(self, client, campaign, carol, dora):
        client.force_login(carol)
        sent = {"name": "Evening shift", "names": "dora, nobody"}
        answer = client.post(reverse("labeling:groups"), sent)
        assert answer.status_code == 422
        assert "Nobody here is called nobody." in answer.content.decode()
        client.post(reverse("labeling:groups"), {"name": "Evening shift", "names": "dora"})
        group = LabelerGroup.objects.get()
        client.post(reverse("labeling:group_invite", args=[campaign.pk]), {"group": group.pk})
        assert "dora" in labelers(campaign)
        page = client.get(reverse("labeling:people", args=[campaign.pk])).content.decode()
        assert "Evening shift" in page
        client.post(reverse("labeling:group_leave", args=[group.pk, dora.pk]))
        assert "dora" not in labelers(campaign)
        client.post(reverse("labeling:group", args=[group.pk]), {"names": "dora"})
        client.post(reverse("labeling:group_dismiss", args=[campaign.pk, group.pk]))
        assert "dora" not in labelers(campaign)

    def test_only_its_founder_and_engineers_change_a_group(
        self, client, campaign, group, bob, erin
    ):
        campaign.memberships.filter(user=bob).update(role="manager")
        client.force_login(bob)
        assert "Evening shift" in client.get(reverse("labeling:groups")).content.decode()
        assert client.get(reverse("labeling:group", args=[group.pk])).status_code == 404
        client.force_login(erin)
        assert client.get(reverse("labeling:group", args=[group.pk])).status_code == 200
