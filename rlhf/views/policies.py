"""Policies: versions, and where they come from."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling.access import require_engineer
from labeling.models import Policy
from labeling.requests import SignedIn, told
from rlhf.models import PolicyRun, Promotion, ServingSlot, SFTRun
from rlhf.selectors.policies import (
    current_policy,
    demonstration_snapshots_behind,
    snapshots_behind,
    with_ancestors,
)
from rlhf.services.policies import promote

SAMPLES_SHOWN = 5
RUNS_SHOWN = 20


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    require_engineer(request.user)
    policies = list(Policy.objects.select_related("parent", "slot", "made_by", "taught_by"))
    lines = {policy.name for policy in policies}
    current = {found.pk for line in lines if (found := current_policy(line))}
    context = {
        "policies": [(policy, policy.pk in current) for policy in policies],
        "runs": PolicyRun.objects.select_related("campaign", "parent", "policy", "reward_model")[
            :RUNS_SHOWN
        ],
        "sft_runs": SFTRun.objects.select_related("snapshot__campaign", "parent", "policy")[
            :RUNS_SHOWN
        ],
    }
    return render(request, "rlhf/policies.html", context)


@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    policy = get_object_or_404(Policy.objects.select_related("parent", "made_by"), pk=pk)
    context = {
        "policy": policy,
        "ancestors": with_ancestors(policy)[:-1],
        "children": policy.children.order_by("version"),
        "run": PolicyRun.objects.filter(policy=policy).select_related("reward_model").first(),
        "taught": SFTRun.objects.filter(policy=policy).select_related("snapshot").first(),
        "snapshots": snapshots_behind(policy).select_related("campaign"),
        "demonstrations": demonstration_snapshots_behind(policy).select_related("campaign"),
        "current": current_policy(policy.name),
        "promotions": Promotion.objects.filter(policy=policy).select_related("promoted_by"),
        "slot": ServingSlot.objects.filter(policy=policy).first(),
        "responses": policy.responses.select_related("prompt").order_by("-id")[:SAMPLES_SHOWN],
    }
    return render(request, "rlhf/policy.html", context)


@login_required
@require_POST
def make_current(request: SignedIn, pk: int) -> HttpResponse:
    """Promote a version by hand; promoting an older one is the roll-back."""
    require_engineer(request.user)
    policy = get_object_or_404(Policy, pk=pk)
    with told(request, _("%(policy)s is current from now on.") % {"policy": policy.slug}):
        promote(policy=policy, reason=_("By hand."), by=request.user)
    return redirect("rlhf:policy", pk)
