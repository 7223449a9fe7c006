"""Signing in, and the page of one's own ways to sign in."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.views import LoginView, PasswordResetView
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.forms import Form
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView

from labeling import access
from labeling.models import User

log = logging.getLogger(__name__)


class SignIn(LoginView):
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {
            "providers": settings.OPENID_PROVIDERS.values()
        }


class ForgottenPassword(PasswordResetView):
    """A link by mail; the answer does not tell whether there is an account with that address."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"mail_is_sent": settings.MAIL_IS_SENT}

    def form_valid(self, form: Form) -> HttpResponse:
        if not settings.MAIL_IS_SENT:
            return self.form_invalid(form)
        try:
            return super().form_valid(form)
        except (OSError, SMTPException):
            log.exception("The mail server did not take a mail with a link to a new password.")
            form.add_error(None, _("The mail server does not answer; try again in some minutes."))
            return self.form_invalid(form)

    def form_invalid(self, form: Form) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


@method_decorator(never_cache, name="dispatch")
class TurnOn(ActivateTOTPView):
    """The QR code of a new secret, until a code shows that the app has it."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        required = access.lacks_second_factor(self.request.user)
        return super().get_context_data(**kwargs) | {"required": required}


class Methods(LoginRequiredMixin, TemplateView):
    """How I sign in: password, authenticator app, recovery codes, providers."""

    template_name = "account/methods.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        assert isinstance(user, User)
        mine = {factor.type: factor for factor in Authenticator.objects.filter(user_id=user.pk)}
        codes = mine.get(Authenticator.Type.RECOVERY_CODES)
        identities = SocialAccount.objects.filter(user_id=user.pk).order_by("id")
        connected = {identity.provider for identity in identities}
        offered = settings.OPENID_PROVIDERS
        return super().get_context_data(**kwargs) | {
            "identities": [
                # A provider that is not set up any more has a name no longer.
                (identity, getattr(offered.get(identity.provider), "name", identity.provider))
                for identity in identities
            ],
            "providers": [one for one in offered.values() if one.id not in connected],
            "app": mine.get(Authenticator.Type.TOTP),
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "required": access.must_have_second_factor(user),
        }
