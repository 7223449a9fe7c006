"""To an OpenID Connect provider, and back; and away from it for good."""

import logging
from typing import Any
from urllib.parse import urlsplit

import requests
from allauth.account.decorators import reauthentication_required
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.requests import SignedIn, told
from labeling.services.sign_in_methods import remove_identity

log = logging.getLogger(__name__)


@never_cache
@require_POST
def to_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """On to the provider, by a page of our own.

    The content security policy lets forms lead nowhere else, and browsers hold their redirects to
    it as well; a page may go where it likes.
    """
    provider = _provider(provider_id)
    try:
        response = openid_connect.login(request, provider_id)
    except requests.RequestException as trouble:
        log.warning("%s does not answer: %s", provider.name, trouble)
        return gone_wrong(request, provider)
    if isinstance(response, HttpResponseRedirect) and urlsplit(response.url).netloc:
        return render(
            request, "account/leaving.html", {"provider": provider, "address": response.url}
        )
    return response


@never_cache
@require_safe
def from_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """What the provider says about who was sent there; one transaction with its audit records."""
    provider = _provider(provider_id)
    with transaction.atomic():
        response = openid_connect.callback(request, provider_id)
    return gone_wrong(request, provider) if response.status_code == 401 else response


@never_cache
@require_safe
def cancelled(request: HttpRequest) -> HttpResponse:
    """They changed their mind at the provider."""
    return redirect("mfa_index" if request.user.is_authenticated else "login")


def gone_wrong(request: HttpRequest, provider: Any) -> HttpResponse:
    return render(request, "account/provider_failed.html", {"provider": provider}, status=502)


@login_required
@require_POST
@reauthentication_required(app="allauth.socialaccount")
def remove(request: SignedIn, pk: int) -> HttpResponse:
    identity = get_object_or_404(SocialAccount, pk=pk, user=request.user)
    with told(request, _("It opens your account no longer.")):
        remove_identity(identity=identity)
    return redirect("mfa_index")


def _provider(provider_id: str) -> Any:
    if provider_id not in settings.OPENID_PROVIDERS:
        raise Http404
    return settings.OPENID_PROVIDERS[provider_id]
