"""People whom an OpenID Connect provider vouches for, and who have no account yet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import Resolver404, resolve

from labeling import errors
from labeling.models import Act, Invitation, User
from labeling.services import audit
from labeling.services.invitations import accept, invitation_of, join_with_new_account


@dataclass(frozen=True)
class Newcomer:
    """What the provider says, and what they came for."""

    claims: dict[str, Any] = field(default_factory=dict)
    address: str = ""  # the page they want to see in the end

    def verified_email(self, believed: bool) -> str:
        """The e-mail address, where it is certain that it is theirs; else nothing.

        `believed` makes up for a provider that does not say whether it has verified it; what a
        provider says it has not verified never counts.
        """
        said = self.claims.get("email_verified", believed)
        # Some providers write true as a text, and then "false" is a text as well.
        verified = said is True or str(said).lower() == "true"
        return str(self.claims.get("email") or "").strip().lower() if verified else ""


def invitations_for(newcomer: Newcomer, email: str, now: datetime) -> list[Invitation]:
    """The invitation whose link they hold, or those that were made for their address."""
    held = _held(newcomer.address, now)
    if held is not None:
        return [held]
    if not email:
        return []
    waiting = Invitation.objects.select_related("campaign").filter(
        email__iexact=email, accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
    )
    return list(waiting.order_by("id"))


def _held(address: str, now: datetime) -> Invitation | None:
    try:
        match = resolve(address)
        if match.view_name != "labeling:invitation":
            return None
        return invitation_of(match.kwargs["token"], now)
    except (Resolver404, errors.InvitationGone):
        return None


@transaction.atomic
def make_account(
    *, user: User, invitations: list[Invitation], now: datetime, save: Callable[[], None]
) -> User:
    """Make an account and take the places that wait for it.

    Args:
        save: stores the user's sign-in by the provider, in the same transaction.

    Raises:
        InvitationGone: somebody else took the place meanwhile.
    """
    if invitations:
        join_with_new_account(invitation=invitations[0], user=user, now=now)
    else:
        user.save()
        audit.record(actor=user, act=Act.ACCOUNT_MADE, subject=user)
    for further in invitations[1:]:
        try:
            accept(invitation=further, user=user, now=now)
        except errors.AlreadyMember:
            continue  # two invitations to one campaign: the first was the higher, or the same
    save()
    return user
