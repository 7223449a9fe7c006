"""Of what a user gets letters."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from labeling.access import manages_campaigns
from labeling.forms import MailWishForm
from labeling.requests import SignedIn
from labeling.services.notices import wish_for_letters


@login_required
@require_http_methods(["GET", "POST"])
def index(request: SignedIn) -> HttpResponse:
    user = request.user
    known = {"kinds": list(user.mail_wishes.values_list("kind", flat=True))}
    form = MailWishForm(request.POST if request.method == "POST" else None, initial=known)
    if form.is_valid():
        wish_for_letters(user=user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("labeling:notices")
    context = {"form": form, "concerned": manages_campaigns(user), "sent": settings.MAIL_IS_SENT}
    return render(request, "labeling/notices.html", context, status=422 if form.is_bound else 200)
