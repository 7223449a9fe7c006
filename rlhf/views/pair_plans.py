"""A campaign's pair plan: which policies answer, which of them meet, and on how many prompts."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling.access import campaign_for, planned_meeting_for
from labeling.models import Campaign, Membership
from labeling.requests import SignedIn, told
from labeling.services.pair_plans import enter, leave_out, plan_meeting, set_choice
from rlhf.forms import ChoiceForm, EntrantForm, MeetingForm
from rlhf.selectors.pair_plans import planned_shares

MANAGER = Membership.Role.MANAGER


@login_required
@require_safe
def index(request: SignedIn, pk: int) -> HttpResponse:
    return _shown(request, campaign_for(request.user, pk, MANAGER))


@login_required
@require_safe
def part(request: SignedIn, pk: int) -> HttpResponse:
    """The plan as the campaign's own page shows it."""
    campaign = campaign_for(request.user, pk, MANAGER)
    return render(request, "rlhf/plan_part.html", _plan_now(campaign))


@login_required
@require_POST
def add(request: SignedIn, pk: int) -> HttpResponse:
    """Add a line."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = MeetingForm(request.POST, campaign=campaign)
    if not form.is_valid():
        return _shown(request, campaign, meeting_form=form)
    with told(request, _("Prompts that are asked from now on follow the plan.")):
        plan_meeting(meeting=form.save(commit=False), by=request.user)
    return redirect("rlhf:plan", pk)


@login_required
@require_POST
def add_policy(request: SignedIn, pk: int) -> HttpResponse:
    """Let one more policy answer."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = EntrantForm(request.POST, campaign=campaign)
    if not form.is_valid():
        return _shown(request, campaign, entrant_form=form)
    with told(request, _("The policy answers in this campaign from now on.")):
        enter(entrant=form.save(commit=False), by=request.user)
    return redirect("rlhf:plan", pk)


@login_required
@require_POST
def choose(request: SignedIn, pk: int) -> HttpResponse:
    """Say by which rule pairs are chosen."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = ChoiceForm(request.POST, instance=campaign)
    if not form.is_valid():
        return _shown(request, campaign_for(request.user, pk, MANAGER), choice_form=form)
    with told(request, _("Prompts that are asked from now on follow the rule.")):
        set_choice(campaign=form.save(commit=False), by=request.user)
    return redirect("rlhf:plan", pk)


@login_required
@require_POST
def remove(request: SignedIn, pk: int) -> HttpResponse:
    """Leave a line out."""
    line = planned_meeting_for(request.user, pk)
    leave_out(meeting=line, by=request.user, now=timezone.now())
    messages.success(request, _("The line is left out from now on; its pairs stay."))
    return redirect("rlhf:plan", line.campaign_id)


def _shown(
    request: SignedIn,
    campaign: Campaign,
    meeting_form: MeetingForm | None = None,
    entrant_form: EntrantForm | None = None,
    choice_form: ChoiceForm | None = None,
) -> HttpResponse:
    context = {
        **_plan_now(campaign),
        "meeting_form": meeting_form or MeetingForm(campaign=campaign),
        "choice_form": choice_form or ChoiceForm(instance=campaign),
        "entrant_form": entrant_form or EntrantForm(campaign=campaign),
    }
    wrong = any(form is not None for form in (meeting_form, entrant_form, choice_form))
    return render(request, "rlhf/plan.html", context, status=422 if wrong else 200)


def _plan_now(campaign: Campaign) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "entrants": campaign.entrants.select_related("policy").order_by("id"),
        "shares": planned_shares(campaign),
    }
