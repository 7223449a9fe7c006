"""Groups of labelers: campaigns invite them as one.

A place in a campaign that came by a group says so, and goes when the last reason for it goes. A
place that somebody had before, or a role above labeler, belongs to them and stays.
"""

from collections.abc import Iterable

from django.db import IntegrityError, transaction

from labeling import errors
from labeling.models import (
    Act,
    Campaign,
    GroupMember,
    InvitedGroup,
    LabelerGroup,
    Membership,
    User,
)
from labeling.services import audit
from labeling.services.campaigns import add_members, remove_member

LABELER = Membership.Role.LABELER


@transaction.atomic
def found_group(*, name: str, people: Iterable[User], by: User) -> LabelerGroup:
    """A new group, which belongs to whoever founds it.

    Raises:
        NameTaken.
    """
    try:
        with transaction.atomic():
            group = LabelerGroup.objects.create(name=name, owner=by)
    except IntegrityError:
        raise errors.NameTaken from None
    audit.record(actor=by, act=Act.GROUP_FOUNDED, subject=group)
    join_group(group=group, people=people, by=by)
    return group


@transaction.atomic
def join_group(*, group: LabelerGroup, people: Iterable[User], by: User) -> None:
    """Add people to a group, and with it to the campaigns that have invited it."""
    _lock(group)
    known = set(group.places.values_list("user", flat=True))
    fresh = [user for user in {u.pk: u for u in people}.values() if user.pk not in known]
    GroupMember.objects.bulk_create(GroupMember(group=group, user=user) for user in fresh)
    for user in fresh:
        audit.record(actor=by, act=Act.GROUP_JOINED, subject=user, details={"group": group.name})
    for campaign in group.campaigns.order_by("id"):
        _let_in(campaign, fresh, by)


@transaction.atomic
def leave_group(*, group: LabelerGroup, user: User, by: User) -> None:
    """Take somebody out of a group, and out of the campaigns where they were by it alone."""
    _lock(group)
    if not group.places.filter(user=user).delete()[0]:
        return
    audit.record(actor=by, act=Act.GROUP_LEFT, subject=user, details={"group": group.name})
    for campaign in group.campaigns.order_by("id"):
        _let_go(campaign, [user], by)


@transaction.atomic
def invite_group(*, campaign: Campaign, group: LabelerGroup, by: User) -> None:
    """Let a group label in a campaign, with whoever joins it later."""
    _lock(group)
    _invited, created = InvitedGroup.objects.get_or_create(campaign=campaign, group=group)
    if created:
        audit.record(actor=by, act=Act.GROUP_INVITED, subject=group, campaign=campaign)
        _let_in(campaign, group.people.order_by("id"), by)


@transaction.atomic
def dismiss_group(*, campaign: Campaign, group: LabelerGroup, by: User) -> None:
    """Let a group label in a campaign no longer; what it judged stays."""
    _lock(group)
    if InvitedGroup.objects.filter(campaign=campaign, group=group).delete()[0]:
        audit.record(actor=by, act=Act.GROUP_DISMISSED, subject=group, campaign=campaign)
        _let_go(campaign, group.people.order_by("id"), by)


def _lock(group: LabelerGroup) -> None:
    """One change at a time, or somebody who joins while it is invited is left out of both."""
    LabelerGroup.objects.select_for_update(no_key=True).get(pk=group.pk)


def _let_in(campaign: Campaign, people: Iterable[User], by: User) -> None:
    people = list(people)
    before = set(campaign.memberships.values_list("user", flat=True))
    add_members(campaign=campaign, users=people, role=LABELER, by=by)
    campaign.memberships.filter(user__in=people).exclude(user__in=before).update(by_group=True)


def _let_go(campaign: Campaign, people: Iterable[User], by: User) -> None:
    """Unless another group that they are in is invited as well."""
    others = GroupMember.objects.filter(group__campaigns=campaign).values("user")
    gone = campaign.memberships.filter(user__in=list(people), by_group=True, role=LABELER)
    for membership in gone.exclude(user__in=others).select_related("user", "campaign"):
        remove_member(membership=membership, by=by)
