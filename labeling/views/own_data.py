"""What a user may ask for about themselves: all their data, and that it is used no longer."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from labeling.requests import SignedIn, told
from labeling.selectors.withdrawals import what_would_leave
from labeling.services.own_data import own_data
from labeling.services.withdrawals import withdraw


class WithdrawalForm(forms.Form):
    understood = forms.BooleanField(
        label=gettext_lazy("I have read this, and want it."),
        error_messages={"required": gettext_lazy("Say that you have read this first.")},
    )


@never_cache
@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    leaving = what_would_leave(request.user)
    context = {"leaving": leaving, "withdrawals": request.user.withdrawals.all()}
    return render(request, "labeling/own_data.html", context)


@never_cache
@login_required
@require_safe
def download(request: SignedIn) -> StreamingHttpResponse:
    response = StreamingHttpResponse(own_data(request.user), content_type="application/zip")
    name = f"accord-{slugify(request.user.username)}-{timezone.localdate():%Y%m%d}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def confirm(request: SignedIn) -> HttpResponse:
    """What a withdrawal does, before it does it."""
    form = WithdrawalForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with told(request, _("Withdrawn. No later snapshot and export holds it.")):
            withdraw(labeler=request.user, now=timezone.now())
        return redirect("labeling:own_data")
    context = {"form": form, "leaving": what_would_leave(request.user)}
    return render(request, "labeling/withdraw.html", context, status=422 if form.is_bound else 200)
