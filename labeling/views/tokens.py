"""A user's own API tokens."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling.forms import TokenForm
from labeling.models import ApiToken
from labeling.requests import SignedIn
from labeling.services.tokens import make_token, revoke_token


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def index(request: SignedIn) -> HttpResponse:
    """The list, and a new one, whose key is shown in the answer and never again."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    made: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        token, key = make_token(owner=request.user, now=now, **form.cleaned_data)
        made, form = {"token": token, "key": key}, TokenForm()
    now = timezone.now()
    tokens = [(token, token.stands(now)) for token in request.user.api_tokens.all()]
    context = {"form": form, "made": made, "tokens": tokens}
    return render(request, "labeling/tokens.html", context, status=422 if form.is_bound else 200)


@login_required
@require_POST
def revoke(request: SignedIn, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, owner=request.user)
    revoke_token(token=token, by=request.user, now=timezone.now())
    messages.success(request, _("%(name)s opens nothing any more.") % {"name": token.name})
    return redirect("labeling:tokens")
