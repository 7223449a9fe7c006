"""The parts of a campaign's page that policies and rounds fill."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for, require_engineer
from labeling.models import Campaign, Membership
from labeling.requests import SignedIn
from labeling.services.demonstrations import want_demonstrations
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rlhf.models import PolicyRun, Round, SFTRun
from rlhf.selectors.generations import generation_state
from rlhf.services.generations import request_responses
from rlhf.services.rounds import begin_round

MANAGER = Membership.Role.MANAGER
ROUNDS_SHOWN = 5


@login_required
@require_safe
def generation(request: SignedIn, pk: int) -> HttpResponse:
    """How far the responses are, and why they wait if they do."""
    campaign = campaign_for(request.user, pk, MANAGER)
    context = {"campaign": campaign, "generation": generation_state(campaign)}
    return render(request, "rlhf/generation.html", context)


@login_required
@require_POST
def request_pairs(request: SignedIn, pk: int) -> HttpResponse:
    """Ask the campaign's policies for responses to its prompts; pairs are made from them."""
    campaign = campaign_for(request.user, pk, MANAGER)
    if campaign.kind == Campaign.Kind.CHAT:
        messages.error(request, _("In a live chat labelers ask themselves; open the campaign."))
        return redirect("labeling:campaign", pk)
    if campaign.kind == Campaign.Kind.DEMONSTRATION and not campaign.entrants.exists():
        prompts = campaign.prompts.order_by("id")
        count = want_demonstrations(campaign=campaign, prompts=prompts, offers={}, by=request.user)
        messages.success(request, _("%(count)d answers more are asked for.") % {"count": count})
        return redirect("labeling:campaign", pk)
    if not campaign.entrants.exists():
        messages.error(
            request, _("No policy answers in this campaign; import preferences instead.")
        )
        return redirect("labeling:campaign", pk)
    try:
        count = request_responses(
            campaign=campaign, prompts=campaign.prompts.all(), by=request.user
        )
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("labeling:campaign", pk)
    if count:
        messages.success(
            request, _("%(count)d responses are asked for; pairs follow.") % {"count": count}
        )
    else:
        messages.info(
            request, _("Every prompt of the campaign has been answered or asked for already.")
        )
    return redirect("labeling:campaign", pk)


@login_required
@require_safe
def rounds(request: SignedIn, pk: int) -> HttpResponse:
    """The newest rounds of a campaign."""
    campaign = campaign_for(request.user, pk, MANAGER)
    newest = Round.objects.filter(campaign=campaign).select_related(
        "reward_model", "policy_run__policy"
    )
    context = {"campaign": campaign, "rounds": newest[:ROUNDS_SHOWN]}
    return render(request, "rlhf/campaign_rounds.html", context)


@login_required
@require_POST
def begin(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    campaign = campaign_for(request.user, pk, MANAGER)
    return redirect("rlhf:round", begin_round(campaign=campaign, by=request.user).pk)


@login_required
@require_safe
def active(request: SignedIn) -> HttpResponse:
    """What trains or waits to train now, for the start page."""
    require_engineer(request.user)
    going = [TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING]
    context = {
        "reward_models": RewardModel.objects.filter(status__in=going).select_related(
            "snapshot__campaign"
        ),
        "policy_runs": PolicyRun.objects.filter(status__in=going).select_related(
            "campaign", "parent"
        ),
        "sft_runs": SFTRun.objects.filter(status__in=going).select_related("parent"),
        "rounds": Round.objects.filter(decision="").select_related(
            "campaign", "reward_model", "policy_run"
        ),
    }
    return render(request, "rlhf/active.html", context)
