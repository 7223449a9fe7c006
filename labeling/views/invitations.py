"""What somebody finds behind the link of an invitation."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling import errors
from labeling.forms import NewAccountForm
from labeling.models import Invitation, User
from labeling.services.invitations import accept, invitation_of, join_with_new_account

BY_PASSWORD = "django.contrib.auth.backends.ModelBackend"  # noqa: S105


@sensitive_post_parameters("password1", "password2")
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join with one's account, or make one and join."""
    try:
        found = invitation_of(token, timezone.now())
        if isinstance(request.user, User):
            return _join(request, found, request.user)
        return _make_account(request, found)
    except errors.Refused as refusal:
        return render(
            request, "labeling/invitation_gone.html", {"refusal": str(refusal)}, status=410
        )


def _join(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        return render(request, "labeling/invitation.html", {"invitation": found})
    accept(invitation=found, user=user, now=timezone.now())
    messages.success(request, _("Welcome to %(campaign)s.") % {"campaign": found.campaign})
    return redirect("labeling:home")


def _make_account(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(
            request,
            "labeling/invitation.html",
            {
                "invitation": found,
                "form": form,
                "providers": settings.OPENID_PROVIDERS.values(),
            },
            status=422 if form.is_bound else 200,
        )
    with transaction.atomic():
        user = form.save(commit=False)
        join_with_new_account(invitation=found, user=user, now=timezone.now())
    login(request, user, backend=BY_PASSWORD)
    messages.success(request, _("Welcome to %(campaign)s.") % {"campaign": found.campaign})
    return redirect("labeling:home")
