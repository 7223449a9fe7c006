"""Invitations: a signed link to a place in a campaign, taken by one person, once."""

from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.utils.translation import gettext

from labeling import errors
from labeling.access import ROLES
from labeling.models import Act, Campaign, Invitation, Membership, User
from labeling.services import audit

SALT = "labeling.invitation"
DAYS = 14


@transaction.atomic
def invite(
    *,
    campaign: Campaign,
    role: str,
    email: str,
    by: User | None,
    now: datetime,
    days: int = DAYS,
) -> Invitation:
    """Keep a place in a campaign for whoever brings the link."""
    invitation = Invitation.objects.create(
        campaign=campaign,
        role=role,
        email=email,
        created_by=by,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    audit.record(
        actor=by,
        act=Act.INVITATION_SENT,
        subject=invitation,
        details={"role": role, "email": email, "days": days},
    )
    return invitation


def token_of(invitation: Invitation) -> str:
    """What the link carries: the invitation, its campaign and its role, signed."""
    return signing.dumps(
        {"i": invitation.pk, "c": invitation.campaign_id, "r": invitation.role}, salt=SALT
    )


def invitation_of(token: str, now: datetime) -> Invitation:
    """The invitation a link leads to, if it still stands.

    Raises:
        InvitationGone: with the reason.
    """
    try:
        said = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        raise errors.InvitationGone from None
    found = (
        Invitation.objects.select_related("campaign", "created_by")
        .filter(pk=said.get("i"), campaign=said.get("c"), role=said.get("r"))
        .first()
    )
    if found is None:
        raise errors.InvitationGone
    check_pending(found, now)
    return found


def check_pending(invitation: Invitation, now: datetime) -> None:
    state = invitation.state(now)
    if state == "accepted":
        raise errors.InvitationGone(
            gettext("This invitation was accepted already; each is for one person.")
        )
    if state == "revoked":
        raise errors.InvitationGone(gettext("This invitation was taken back; ask for another one."))
    if state == "expired":
        raise errors.InvitationGone(gettext("This invitation has run out; ask for another one."))


@transaction.atomic
def accept(*, invitation: Invitation, user: User, now: datetime) -> Membership:
    """Take the place. Of two people at once, the second is refused.

    Whoever has a lower role in the campaign rises; nobody falls.

    Raises:
        InvitationGone, AlreadyMember.
    """
    invitation = (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("campaign")
        .get(pk=invitation.pk)
    )
    check_pending(invitation, now)
    campaign = invitation.campaign
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    wanted = Membership.Role(invitation.role)
    membership = campaign.memberships.filter(user=user).first()
    if membership is not None:
        if ROLES.index(Membership.Role(membership.role)) >= ROLES.index(wanted):
            raise errors.AlreadyMember
        membership.role = wanted
        membership.save(update_fields=["role"])
    else:
        membership = Membership.objects.create(campaign=campaign, user=user, role=wanted)
    invitation.accepted_at, invitation.accepted_by = now, user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    audit.record(
        actor=user,
        act=Act.INVITATION_ACCEPTED,
        subject=invitation,
        details={"role": invitation.role, "user": user.username},
    )
    return membership


@transaction.atomic
def join_with_new_account(*, invitation: Invitation, user: User, now: datetime) -> User:
    """Make the account of somebody who was invited, and take the place with it."""
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    check_pending(invitation, now)
    user.email = user.email or invitation.email
    user.save()
    audit.record(
        actor=user,
        act=Act.ACCOUNT_MADE,
        subject=user,
        campaign=invitation.campaign,
        details={"invitation": invitation.pk},
    )
    accept(invitation=invitation, user=user, now=now)
    return user


@transaction.atomic
def revoke(*, invitation: Invitation, by: User, now: datetime) -> None:
    """Take an invitation back that nobody has accepted; its link leads nowhere from now on.

    Raises:
        InvitationGone.
    """
    invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        check_pending(invitation, now)
    invitation.revoked_at = now
    invitation.save(update_fields=["revoked_at"])
    audit.record(
        actor=by,
        act=Act.INVITATION_REVOKED,
        subject=invitation,
        details={"role": invitation.role, "email": invitation.email},
    )
