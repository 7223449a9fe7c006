"""Best of n: a policy answers each prompt several times, a reward model chooses."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import require_engineer
from labeling.requests import SignedIn, refusals_in
from rewardmodel.models import RewardModel
from rewardmodel.views.runs import live_run, stop
from rewardmodel.watching import watched
from rlhf.charts.best_of import CURVES, frontier
from rlhf.forms import BestOfForm
from rlhf.models import BestOfRun
from rlhf.selectors.best_of import choices
from rlhf.services.best_of import freeze_best, start_best_of


@login_required
@require_http_methods(["GET", "POST"])
def ask(request: SignedIn, pk: int) -> HttpResponse:
    """Start a run with a finished reward model; its earlier ones are listed."""
    require_engineer(request.user)
    judge = get_object_or_404(
        RewardModel.objects.select_related("snapshot__campaign"),
        pk=pk,
        status=RewardModel.Status.SUCCEEDED,
    )
    form = BestOfForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            run = start_best_of(
                reward_model=judge,
                policy=form.cleaned_data["policy"],
                prompts=form.cleaned_data["prompts"],
                by=request.user,
                config=form.config(),
            )
            return redirect("rlhf:best_of_run", run.pk)
    return render(
        request,
        "rlhf/best_of.html",
        {"form": form, "judge": judge, "runs": judge.best_of_runs.select_related("policy")},
        status=422 if form.is_bound else 200,
    )


@login_required
@require_safe
def run(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rlhf/best_of_run.html", _page(pk))


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return live_run(request, "rlhf/best_of_run.html", _page(pk))


@login_required
@require_POST
def cancel(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    stop(request, get_object_or_404(BestOfRun, pk=pk))
    return redirect("rlhf:best_of_run", pk)


@login_required
@require_POST
def freeze(request: SignedIn, pk: int) -> HttpResponse:
    """Make the best answers demonstrations that SFT can learn from."""
    require_engineer(request.user)
    try:
        snapshot = freeze_best(run=get_object_or_404(BestOfRun, pk=pk), by=request.user)
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("rlhf:best_of_run", pk)
    messages.success(
        request,
        _("%(train)d demonstrations to learn from, %(test)d held out.")
        % {"train": snapshot.train_count, "test": snapshot.test_count},
    )
    return redirect("rlhf:teach", snapshot.pk)


def _page(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        BestOfRun.objects.select_related(
            "reward_model__snapshot__campaign", "policy", "snapshot", "created_by"
        ),
        pk=pk,
    )
    return {
        **watched(found, CURVES),
        "frontier": frontier(found.figures),
        "choices": choices(found),
    }
