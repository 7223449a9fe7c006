"""SFT: demonstrations teach a policy; its run while it learns, and what came of it."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.access import require_engineer
from labeling.models import Demonstration, DemonstrationSnapshot
from labeling.requests import SignedIn, refusals_in, told
from rewardmodel.views.runs import live_run, stop
from rewardmodel.watching import samples, watched
from rlhf.charts.sft_runs import CURVES
from rlhf.forms import TeachForm
from rlhf.models import SFTRun
from rlhf.selectors.rounds import compared
from rlhf.services.sft_runs import start_sft_duel, start_sft_run


@dataclass(frozen=True)
class Sample:
    """Answers to the prompt of one held-out demonstration."""

    demonstration: Demonstration
    before: str  # by the parent
    after: str  # the newest
    step: int  # at which it was given


@login_required
@require_http_methods(["GET", "POST"])
def teach(request: SignedIn, pk: int) -> HttpResponse:
    """Start SFT on a snapshot of demonstrations."""
    require_engineer(request.user)
    snapshot = get_object_or_404(DemonstrationSnapshot.objects.select_related("campaign"), pk=pk)
    form = TeachForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            run = start_sft_run(
                snapshot=snapshot,
                parent=form.cleaned_data["parent"],
                by=request.user,
                config=form.config(),
            )
            return redirect("rlhf:sft_run", run.pk)
    context = {"form": form, "snapshot": snapshot}
    return render(request, "rlhf/teach.html", context, status=422 if form.is_bound else 200)


@login_required
@require_safe
def run(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rlhf/sft_run.html", _page(pk))


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return live_run(request, "rlhf/sft_run.html", _page(pk))


@login_required
@require_POST
def cancel(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    stop(request, get_object_or_404(SFTRun, pk=pk))
    return redirect("rlhf:sft_run", pk)


@login_required
@require_POST
def compare(request: SignedIn, pk: int) -> HttpResponse:
    """Open the blind comparison of the new policy with its parent."""
    require_engineer(request.user)
    found = get_object_or_404(SFTRun, pk=pk)
    with told(request, _("The comparison is open; its pairs follow as they are written.")):
        duel = start_sft_duel(run=found, by=request.user)
        return redirect("labeling:campaign", duel.pk)
    return redirect("rlhf:sft_run", pk)


def _page(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        SFTRun.objects.select_related(
            "snapshot__campaign", "parent", "policy", "duel", "created_by"
        ),
        pk=pk,
    )
    return {
        **watched(found, CURVES),
        "samples": before_and_after(found),
        "duel": compared(found.duel, found.policy) if found.duel and found.policy else None,
    }


def before_and_after(run: SFTRun) -> list[Sample]:
    """What the parent answered to a few held-out prompts, and what the policy answers by now."""
    told = samples(run)
    shown = (
        Demonstration.objects.select_related("prompt")
        .filter(snapshots=run.snapshot_id)
        .in_bulk([number for number, _texts in told])
    )
    return [
        Sample(shown[number], texts[0][1], texts[-1][1], texts[-1][0])
        for number, texts in told
        if number in shown
    ]
