"""Where a second factor is required, nothing else opens until it is set up."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect

from labeling import access
from labeling.models import User

SET_UP = "mfa_activate_totp"
# What it takes to set it up, to leave, and to read all that.
OPEN = {
    *(SET_UP, "mfa_index", "mfa_view_recovery_codes", "mfa_download_recovery_codes"),
    *("account_reauthenticate", "account_set_password", "account_change_password"),
    *("login", "account_login", "logout", "labeling:language", "labeling:worker", "healthz"),
}


class SecondFactorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if request.resolver_match is None or request.resolver_match.view_name in OPEN:
            return None
        if not isinstance(request.user, User) or not access.lacks_second_factor(request.user):
            return None
        if request.path.startswith("/api/"):
            raise PermissionDenied
        if request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(resolve_url(SET_UP))
        return redirect(SET_UP)
