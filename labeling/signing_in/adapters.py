"""What Accord decides about signing in, where django-allauth asks for it."""

import base64
import hashlib
import logging
import secrets
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import filter_users_by_email
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling import access, errors, languages
from labeling.services.languages import keep_language
from labeling.services.newcomers import Newcomer, invitations_for, make_account

log = logging.getLogger(__name__)


class Accounts(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _(
            "The name and the password do not belong together. Both mind capital letters."
        ),
        "too_many_login_attempts": _(
            "There were too many attempts. Wait five minutes, then try again."
        ),
        "incorrect_code": _("This code is wrong, or was used before; wait for the next one."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody makes an account unasked: invitations do, and administrators."""
        return False

    def post_login(self, request: HttpRequest, user: Any, **more: Any) -> HttpResponse:
        """A language chosen on the way in becomes the user's; otherwise the user's counts."""
        response = super().post_login(request, user, **more)
        chosen = request.session.pop(languages.CHOSEN, "")
        if chosen:
            keep_language(user=user, language=chosen)
        elif languages.is_offered(user.language):
            languages.remember(response, user.language)
        return response

    def set_password(self, user: Any, password: str) -> None:
        """Whoever was locked out for trying in vain has a new password at once."""
        super().set_password(user, password)
        self._delete_login_attempts_cached_email(context.request, username=user.username)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Below the address that browsers use, whatever host this request was sent to."""
        return settings.PUBLIC_URL + urlsplit(super().get_reset_password_from_key_url(key)).path

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")


class Identities(DefaultSocialAccountAdapter):
    """Who may come in by an OpenID Connect provider: its settings say, and invitations."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # `pre_social_login` has turned the others away

    def on_authentication_error(self, request: HttpRequest, provider: Any, **what: Any) -> None:
        """The page does not say why a provider failed; the log does."""
        log.warning("%s: %s (%s)", provider.name, what.get("exception"), what.get("error"))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("mfa_index")

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[Any, str] | None:
        """The one account with this address, where the provider's addresses are trusted."""
        email = _email(sociallogin)
        users = filter_users_by_email(email, prefer_verified=True, for_login=True) if email else []
        if not _provider(sociallogin).trusts_email or len(users) != 1:
            return None
        return users[0], email

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Turn away who has no account and may not get one."""
        if sociallogin.state.get("process") != "login" or sociallogin.is_existing:
            return
        email = _email(sociallogin)
        # An address that may be somebody else's is not kept: later it might open doors.
        assert sociallogin.user is not None
        sociallogin.user.email = email
        sociallogin.email_addresses = [
            address for address in sociallogin.email_addresses if address.email == email
        ]
        for address in sociallogin.email_addresses:
            address.verified = True
        try:
            sociallogin.state["invitations"] = self._admission(sociallogin, email)
        except errors.Refused as refusal:
            raise _turned_away(request, sociallogin, refusal) from None

    def _admission(self, sociallogin: SocialLogin, email: str) -> list[Any]:
        if email and filter_users_by_email(email):
            raise errors.AccountExists
        invitations = invitations_for(_newcomer(sociallogin), email, timezone.now())
        if not invitations and _provider(sociallogin).admits == "invited":
            raise errors.NotInvited if email else errors.AddressUnverified
        return invitations

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> Any:
        user: Any = sociallogin.user
        user.set_unusable_password()
        Accounts(request).populate_username(request, user)
        invitations = sociallogin.state.pop("invitations")
        try:
            make_account(
                user=user,
                invitations=invitations,
                now=timezone.now(),
                save=lambda: sociallogin.save(request),
            )
        except errors.Refused as refusal:
            raise _turned_away(request, sociallogin, refusal) from None
        for invitation in invitations:
            words = gettext("Welcome to %(campaign)s.") % {"campaign": invitation.campaign}
            messages.success(request, words)
            sociallogin.state["next"] = "/"  # the link has done its work
        return user


def _provider(sociallogin: SocialLogin) -> Any:
    """As config/openid.py read it from the environment."""
    return settings.OPENID_PROVIDERS[sociallogin.account.provider]


def _newcomer(sociallogin: SocialLogin) -> Newcomer:
    said = sociallogin.account.extra_data
    return Newcomer(
        claims=said.get("userinfo") or said.get("id_token") or {},
        address=sociallogin.state.get("next") or "",
    )


def _email(sociallogin: SocialLogin) -> str:
    return _newcomer(sociallogin).verified_email(believed=_provider(sociallogin).trusts_email)


def _turned_away(
    request: HttpRequest, sociallogin: SocialLogin, refusal: errors.Refused
) -> ImmediateHttpResponse:
    context = {"refusal": str(refusal), "provider": _provider(sociallogin).name}
    return ImmediateHttpResponse(render(request, "account/turned_away.html", context, status=403))


class SecondFactors(DefaultMFAAdapter):
    """Secrets of authenticator apps are stored encrypted: the database alone makes no codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": Accounts.error_messages["incorrect_code"],
        "cannot_delete_authenticator": _("Your role needs a second factor here, so it stays on."),
    }

    def get_totp_label(self, user: Any) -> str:
        return user.get_username()

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        return not access.must_have_second_factor(authenticator.user)

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret; where SECRET_KEY is another one by now, one that no code fits."""
        try:
            return _box().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return base64.b32encode(secrets.token_bytes(20)).decode()


def _box() -> Fernet:
    key = hashlib.sha256(
        b"labeling.signing_in.adapters.second_factors:" + settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key.digest()))
