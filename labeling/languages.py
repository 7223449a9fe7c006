"""Which language a page is in.

What counts, in this order: the page that asks (its parts come in its own language, even when
another tab has switched since), the choice kept with the user, the choice kept in this browser,
what the browser asks for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from labeling.models import User

PAGE = "X-Page-Language"  # the header by which a page says its own language
CHOSEN = "language_chosen"  # in the session: chosen before signing in, so the user has it next


def is_offered(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


def language_of(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    for wanted in (request.headers.get(PAGE, ""), getattr(user, "language", "")):
        if is_offered(wanted):
            return wanted
    return translation.get_language_from_request(request)


@contextmanager
def speaking_to(user: User | None) -> Iterator[None]:
    """For what a worker writes down for one person to read: in that person's language."""
    wanted = user.language if user else ""
    with translation.override(wanted if is_offered(wanted) else settings.LANGUAGE_CODE):
        yield


def remember(response: HttpResponse, language: str) -> None:
    """Keep the choice in this browser, for when nobody is signed in."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        samesite="Lax",
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
    )


class LanguageMiddleware(LocaleMiddleware):
    """Django's, asking for more than a cookie; it stands behind the one that knows the user."""

    def process_request(self, request: HttpRequest) -> None:
        translation.activate(language_of(request))
        request.LANGUAGE_CODE = translation.get_language()
