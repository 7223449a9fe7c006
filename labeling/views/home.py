"""Where everyone lands: what waits for this person."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.access import campaigns_for, manages_campaigns
from labeling.models import Campaign, Membership
from labeling.requests import SignedIn
from labeling.selectors.campaigns import campaigns_with_work, progress
from labeling.selectors.reviews import to_review
from labeling.views.work import answered_today

SHOWN = 6


@login_required
@require_safe
def home(request: SignedIn) -> HttpResponse:
    """Work to label, campaigns to watch, and for engineers what trains now."""
    context = {
        "to_label": campaigns_with_work(request.user),
        "today": answered_today(request.user),
        "manages": manages_campaigns(request.user),
        "to_review": to_review(request.user),
    }
    if context["manages"]:
        managed = campaigns_for(request.user, Membership.Role.MANAGER)
        active = managed.exclude(status=Campaign.Status.CLOSED)[:SHOWN]
        context["managed"] = [(campaign, progress(campaign)) for campaign in active]
    return render(request, "labeling/home.html", context)
