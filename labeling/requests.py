"""What a view behind `login_required` is called with, and how it answers an act."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_htmx.middleware import HtmxDetails

from labeling import errors
from labeling.models import User


class SignedIn(HttpRequest):
    """A request whose user is known, seen by htmx's middleware."""

    user: User
    htmx: HtmxDetails


@contextmanager
def told(request: HttpRequest, done: str = "") -> Iterator[None]:
    """Tell the user what came of an act: its refusal, or else what is `done`, on the next page."""
    try:
        yield
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        if done:
            messages.success(request, done)


@contextmanager
def refusals_in(
    form: Form, of: type[errors.Refused] = errors.Refused, field: str | None = None
) -> Iterator[None]:
    """A refusal of this kind makes the form, or one field of it, invalid and stands beside it."""
    try:
        yield
    except of as refusal:
        form.add_error(field, str(refusal))


def in_one_sentence(form: Form) -> str:
    """What is wrong with a form, for a page that does not show its fields again."""
    return " ".join(
        str(message) if name == "__all__" else f"{form.fields[name].label or name}: {message}"
        for name, messages in form.errors.items()
        for message in messages
    )


def in_background(request: SignedIn) -> bool:
    """Whether a page asks that has gone on already, and wants JSON."""
    return request.get_preferred_type(["text/html", "application/json"]) != "text/html"


def live_part(
    request: HttpRequest, part: str, context: dict[str, Any], *, under_way: bool
) -> HttpResponse:
    """The part of a page that changes by itself; once that is over, htmx fetches the whole page."""
    response = render(request, part, context)
    if not under_way:
        response["HX-Refresh"] = "true"
    return response
