"""API tokens: made, used, revoked."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from labeling.models import Act, ApiToken, User
from labeling.services import audit

PREFIX = "accord_"  # by which scanners for leaked secrets know it
HINT = 12  # characters of a key that may be shown
# A busy program must not write a row for each of its requests.
NOTICED_EVERY = timedelta(minutes=1)


@transaction.atomic
def make_token(
    *, owner: User, name: str, scopes: Iterable[str], days: int, now: datetime
) -> tuple[ApiToken, str]:
    """A new token and its key, which nobody can read again afterwards."""
    key = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        owner=owner,
        name=name,
        digest=digest_of(key),
        hint=key[:HINT],
        scopes=sorted(scopes),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    audit.record(
        actor=owner,
        act=Act.TOKEN_MADE,
        subject=token,
        details={"scopes": token.scopes, "days": days, "hint": token.hint},
    )
    return token, key


def token_with(key: str, now: datetime) -> ApiToken | None:
    """The token that a key belongs to, if it stands and its owner's account is open."""
    token = (
        ApiToken.objects.select_related("owner")
        .filter(digest=digest_of(key), owner__is_active=True)
        .first()
    )
    if token is None or not token.stands(now):
        return None
    if token.last_used_at is None or now - token.last_used_at > NOTICED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def digest_of(key: str) -> str:
    """A key has 256 bits of chance, so one round of SHA-256 keeps it as secret as many would."""
    return hashlib.sha256(key.encode()).hexdigest()


@transaction.atomic
def revoke_token(*, token: ApiToken, by: User, now: datetime) -> None:
    """From now on the key opens nothing; revoking twice changes nothing."""
    token = ApiToken.objects.select_for_update().get(pk=token.pk)
    if token.revoked_at is not None:
        return
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    audit.record(actor=by, act=Act.TOKEN_REVOKED, subject=token, details={"hint": token.hint})
