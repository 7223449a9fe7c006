"""The manager's pages: what a campaign asks, how far it is, and its switches."""

from itertools import zip_longest

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.access import campaign_for, campaigns_for, manages_campaigns
from labeling.dashboards.prompts import warnings
from labeling.forms import CampaignForm, ExportForm, ImportForm, NewCampaignForm, SnapshotForm
from labeling.models import Campaign, Judgment, Membership, Report
from labeling.requests import SignedIn, told
from labeling.selectors.campaigns import agreement_shown, progress
from labeling.selectors.guidelines import versions_of
from labeling.selectors.reports import latest_report
from labeling.selectors.snapshot_orders import last_order
from labeling.selectors.spending import promised, spent_by_tallies
from labeling.services.campaigns import archive as put_away
from labeling.services.campaigns import (
    change_campaign,
    change_status,
    clone_campaign,
    create_campaign,
)
from labeling.starting_points import STARTING_POINTS, starting_point

MANAGER = Membership.Role.MANAGER


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    if not manages_campaigns(request.user):
        raise PermissionDenied
    archived = "archived" in request.GET
    managed = campaigns_for(request.user, MANAGER)
    shown = managed.filter(archived_at__isnull=not archived)
    context = {
        "rows": [(campaign, progress(campaign)) for campaign in shown],
        "archived": archived,
        "put_away": managed.filter(archived_at__isnull=False).count(),
    }
    return render(request, "labeling/campaigns.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: SignedIn) -> HttpResponse:
    if not manages_campaigns(request.user):
        raise PermissionDenied
    point = starting_point(request.GET.get("from", ""))
    form = NewCampaignForm(
        request.POST or None, by=request.user, initial=point.initial() if point else None
    )
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
    context = {"form": form, "points": STARTING_POINTS, "point": point}
    return render(request, "labeling/edit.html", context, status=status_of(form))


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
        **figures_now(campaign),
        "snapshots": campaign.snapshots.order_by("-id")[:8],
        "members": campaign.memberships.select_related("user").order_by("role", "user__username"),
        "export_form": ExportForm(auto_id="export-%s"),
        "import_form": ImportForm(auto_id="import-%s"),
        "snapshot_form": SnapshotForm(auto_id="snapshot-%s"),
        "order": last_order(campaign),
        "prompt_warnings": prompt_warnings(campaign),
    }
    return render(request, "labeling/campaign.html", context)


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    """The figures that move while people label."""
    campaign = campaign_for(request.user, pk, MANAGER)
    return render(request, "labeling/campaign.html#progress", figures_now(campaign))


@login_required
@require_POST
def change(request: SignedIn, pk: int) -> HttpResponse:
    """Open, pause or close."""
    campaign = campaign_for(request.user, pk, MANAGER)
    wanted = request.POST.get("to", "")
    if wanted not in Campaign.Status.values:
        return HttpResponse(_("There is no such state."), status=422, content_type="text/plain")
    with told(request):
        change_status(campaign=campaign, to=wanted, by=request.user)
    return redirect("labeling:campaign", campaign.pk)


@login_required
@require_POST
def clone(request: SignedIn, pk: int) -> HttpResponse:
    """A draft of the same kind, to be changed and opened."""
    campaign = campaign_for(request.user, pk, MANAGER)
    copy = clone_campaign(campaign=campaign, by=request.user)
    messages.success(request, _("A copy as a draft: give it its name, then open it."))
    return redirect("labeling:edit", copy.pk)


@login_required
@require_POST
def archive(request: SignedIn, pk: int) -> HttpResponse:
    """Put a closed campaign out of the way, or back."""
    campaign = campaign_for(request.user, pk, MANAGER)
    with told(request):
        put_away(
            campaign=campaign,
            archived=request.POST.get("to") == "away",
            by=request.user,
            now=timezone.now(),
        )
    return redirect("labeling:campaign", campaign.pk)


@login_required
@require_safe
def guidelines(request: SignedIn, pk: int) -> HttpResponse:
    """All versions of what labelers were told, each beside the one before."""
    campaign = campaign_for(request.user, pk, MANAGER)
    versions = list(versions_of(campaign))
    context = {
        "campaign": campaign,
        "versions": [
            (version, before) for version, before in zip_longest(versions, versions[1:]) if version
        ],
    }
    return render(request, "labeling/guidelines.html", context)


def figures_now(campaign: Campaign) -> dict[str, object]:
    """What moves while people label."""
    return {
        "campaign": campaign,
        "progress": progress(campaign),
        "agreement": agreement_shown(campaign),
        "live": campaign.status == Campaign.Status.OPEN,
        "spent": spent_by_tallies(campaign),
        "promised": promised(campaign),
    }


def prompt_warnings(campaign: Campaign) -> list[str]:
    """What the last look at the prompts found, for whoever is about to open the campaign."""
    report = latest_report(campaign, Report.Subject.PROMPTS, Judgment.JudgeKind.PERSON)
    return warnings(report.figures) if report else []


def status_of(form: CampaignForm) -> int:
    return 422 if form.is_bound else 200
