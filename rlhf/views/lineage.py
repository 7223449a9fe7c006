"""Lineage: which judgments shaped a policy, and which policies each of them shaped."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from labeling.access import require_engineer
from labeling.models import Policy
from labeling.requests import SignedIn
from rlhf.selectors.policies import judgments_behind, policies_shaped_by

A_PAGE = 50


@login_required
@require_safe
def judgments(request: SignedIn, pk: int) -> HttpResponse:
    """Every judgment behind a policy, newest first, with what else was made from it."""
    require_engineer(request.user)
    policy = get_object_or_404(Policy, pk=pk)
    behind = judgments_behind(policy).select_related(
        "comparison__campaign", "comparison__prompt", "comparison__first", "comparison__second"
    )
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit():
        behind = behind.filter(pk__lt=int(before))
    shown = list(behind.order_by("-pk")[: A_PAGE + 1])
    older = shown[A_PAGE - 1].pk if len(shown) > A_PAGE else None
    shaped = policies_shaped_by(shown[:A_PAGE])
    context = {
        "policy": policy,
        "judgments": [(judgment, shaped.get(judgment.pk, [])) for judgment in shown[:A_PAGE]],
        "older": older,
        "later_page": bool(before),
    }
    return render(request, "rlhf/lineage.html", context)
