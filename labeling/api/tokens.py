"""Who calls the API: a program with a token, or a page with a session."""

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from labeling.models import ApiToken, Scope, User
from labeling.services.tokens import token_with

if TYPE_CHECKING:  # the views read their defaults, which lie here, as they are imported
    from rest_framework.views import APIView


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer accord_...`; `Token` instead of `Bearer` is understood as well."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if len(parts) != 2 or parts[0].lower() not in (b"bearer", b"token"):
            return None
        token = token_with(parts[1].decode("latin-1"), timezone.now())
        if token is None:
            raise AuthenticationFailed(
                gettext("This token is not known, was revoked, or has run out.")
            )
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class HasScope(BasePermission):
    """A token reaches only what its scopes name; a session reaches what its user may.

    A view says `scopes = {"GET": Scope.READ, "POST": Scope.MANAGE}`. What it does not name, no
    token reaches.
    """

    message = gettext_lazy("This token lacks the scope for this.")

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiToken):
            return True
        wanted: dict[str, str] = getattr(view, "scopes", {})
        method = request.method or ""
        scope = Scope.READ if method == "OPTIONS" else wanted.get(method.replace("HEAD", "GET"))
        return scope is not None and scope in request.auth.scopes


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "labeling.api.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "accord_..."}
