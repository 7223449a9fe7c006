"""What a view behind `login_required` is called with."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from labeling.models import User


class SignedIn(HttpRequest):
    """A request whose user is known, seen by htmx's middleware."""

    user: User
    htmx: HtmxDetails
