"""Ways to sign in, written down in the audit log as they come and go."""

from typing import Any

from allauth.account import signals as passwords
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from labeling import errors
from labeling.models import Act, User
from labeling.services import audit


@transaction.atomic
def remove_identity(*, identity: SocialAccount) -> None:
    """From now on this provider opens the account no longer.

    Raises:
        LastWayIn.
    """
    user = User.objects.select_for_update().get(pk=identity.user_id)
    others = SocialAccount.objects.filter(user=user).exclude(pk=identity.pk)
    if not user.has_usable_password() and not others.exists():
        raise errors.LastWayIn
    identity.delete()


@receiver(post_save, sender=SocialAccount)
def note_identity_added(instance: SocialAccount, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw:
        _note(Act.SIGN_IN_METHOD_ADDED, instance.user, instance.provider, uid=instance.uid)


@receiver(post_delete, sender=SocialAccount)
def note_identity_removed(instance: SocialAccount, **_: Any) -> None:
    _note(Act.SIGN_IN_METHOD_REMOVED, instance.user, instance.provider, uid=instance.uid)


@receiver(post_save, sender=Authenticator)
def note_added(instance: Authenticator, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw:
        _note(Act.SIGN_IN_METHOD_ADDED, instance.user, instance.type)


@receiver(post_delete, sender=Authenticator)
def note_removed(instance: Authenticator, **_: Any) -> None:
    _note(Act.SIGN_IN_METHOD_REMOVED, instance.user, instance.type)


@receiver(passwords.password_set)
def note_password(user: User, **_: Any) -> None:
    _note(Act.SIGN_IN_METHOD_ADDED, user, "password")


@receiver(passwords.password_changed)
def note_new_password(user: User, **_: Any) -> None:
    _note(Act.PASSWORD_CHANGED, user, "password")


@receiver(passwords.password_reset)
def note_reset_password(user: User, **_: Any) -> None:
    _note(Act.PASSWORD_RESET, user, "password")


def _note(act: Act, user: User, method: str, **details: Any) -> None:
    """The pages that change a method are one transaction each (labeling/signing_in/urls.py); a
    shell has none, and gets one here."""
    with transaction.atomic():
        audit.record(
            actor=_actor(user), act=act, subject=user, details={"method": method, **details}
        )


def _actor(user: User) -> User | None:
    """Whoever asks for it; somebody who is not signed in yet acts on their own account."""
    if context.request is None:
        return None
    who = getattr(context.request, "user", None)
    return who if isinstance(who, User) else user
