"""The manager's pages: what a campaign asks, how far it is, and its switches."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for, campaigns_for, manages_campaigns
from labeling.forms import CampaignForm, ExportForm, ImportForm, KindsForm, NewCampaignForm
from labeling.models import Campaign, Membership
from labeling.requests import SignedIn
from labeling.selectors.campaigns import agreement, progress
from labeling.services.campaigns import change_campaign, change_status, create_campaign

MANAGER = Membership.Role.MANAGER


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    if not manages_campaigns(request.user):
        raise PermissionDenied
    rows = [(campaign, progress(campaign)) for campaign in campaigns_for(request.user, MANAGER)]
    return render(request, "labeling/campaigns.html", {"rows": rows})


@login_required
@require_http_methods(["GET", "POST"])
def create(request: SignedIn) -> HttpResponse:
    if not manages_campaigns(request.user):
        raise PermissionDenied
    form = NewCampaignForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        campaign = create_campaign(
            campaign=form.save(commit=False),
            by=request.user,
            prompts=form.prompts(),
            entrants=form.entrants(),
            labelers=form.cleaned_data["labelers"],
        )
        messages.success(request, _("The campaign is made. Request pairs, then open it."))
        return redirect("labeling:campaign", campaign.pk)
    return render(request, "labeling/edit.html", {"form": form}, status=status_of(form))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: SignedIn, pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    form = CampaignForm(request.POST or None, instance=campaign)
    if request.method == "POST" and form.is_valid():
        change_campaign(
            campaign=form.save(commit=False),
            labelers=form.cleaned_data["labelers"],
            by=request.user,
        )
        messages.success(request, _("Saved."))
        return redirect("labeling:campaign", campaign.pk)
    return render(
        request,
        "labeling/edit.html",
        {"form": form, "campaign": campaign},
        status=status_of(form),
    )


@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    context = {
        **standing(campaign),
        "snapshots": campaign.snapshots.order_by("-id")[:8],
        "members": campaign.memberships.select_related("user").order_by("role", "user__username"),
        "entrants": campaign.entrants.select_related("policy"),
        "export_form": ExportForm(auto_id="export-%s"),
        "import_form": ImportForm(auto_id="import-%s"),
        "kinds_form": KindsForm(auto_id="snapshot-%s"),
    }
    return render(request, "labeling/campaign.html", context)


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    """The figures that move while people label."""
    campaign = campaign_for(request.user, pk, MANAGER)
    return render(request, "labeling/campaign.html#progress", standing(campaign))


@login_required
@require_POST
def change(request: SignedIn, pk: int) -> HttpResponse:
    """Open, pause or close."""
    campaign = campaign_for(request.user, pk, MANAGER)
    wanted = request.POST.get("to", "")
    if wanted not in Campaign.Status.values:
        return HttpResponse(_("There is no such state."), status=422, content_type="text/plain")
    try:
        change_status(campaign=campaign, to=wanted, by=request.user)
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("labeling:campaign", campaign.pk)


def standing(campaign: Campaign) -> dict[str, object]:
    return {
        "campaign": campaign,
        "progress": progress(campaign),
        "agreement": agreement(campaign),
        "live": campaign.status == Campaign.Status.OPEN,
    }


def status_of(form: CampaignForm) -> int:
    return 422 if form.is_bound else 200
