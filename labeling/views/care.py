"""What a labeler reads before harmful content, and opts out of."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling import sittings
from labeling.access import campaign_for, campaigns_for
from labeling.forms import OptOutForm
from labeling.requests import SignedIn
from labeling.selectors.care import content_to_opt_out_of, opted_out_by
from labeling.services.care import set_opt_outs


@never_cache
@login_required
@require_POST
def begin(request: SignedIn, pk: int) -> HttpResponse:
    """The warning is read: on to the first pair."""
    campaign = campaign_for(request.user, pk)
    sittings.begin(request, campaign, timezone.now())
    return redirect("labeling:work", campaign.pk)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def settings(request: SignedIn) -> HttpResponse:
    """Content that this labeler wants none of."""
    offered = content_to_opt_out_of(request.user, campaigns_for(request.user))
    form = OptOutForm(
        request.POST if request.method == "POST" else None,
        offered=offered,
        initial={"categories": sorted(opted_out_by(request.user))},
    )
    if request.method == "POST" and form.is_valid():
        set_opt_outs(
            labeler=request.user, categories=form.cleaned_data["categories"], now=timezone.now()
        )
        messages.success(request, _("Saved. What you opted out of goes to others."))
        return redirect("labeling:settings")
    context = {"form": form, "offered": offered}
    return render(request, "labeling/settings.html", context, status=422 if form.is_bound else 200)
