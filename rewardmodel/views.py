"""Pages of the reward models: the list, a run as it goes and afterwards, starting, cancelling."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import require_engineer
from labeling.models import Snapshot
from labeling.requests import SignedIn
from rewardmodel.forms import TrainForm
from rewardmodel.models import RewardModel
from rewardmodel.runs import TrainingRun
from rewardmodel.services.reward_models import start_reward_model
from rewardmodel.services.runs import cancel as cancel_run
from rewardmodel.watching import Curve, curves, log_tail

SHOWN = 50
CURVES = [
    Curve(gettext_lazy("Loss"), gettext_lazy("nats"), {"loss": gettext_lazy("loss")}),
    Curve(
        gettext_lazy("Accuracy"),
        gettext_lazy("share of pairs"),
        {
            "accuracy": gettext_lazy("batch"),
            "test_accuracy": gettext_lazy("held out"),
        },
    ),
    Curve(
        gettext_lazy("Lead of the chosen response"),
        gettext_lazy("score"),
        {"margin": gettext_lazy("lead")},
    ),
    Curve(
        gettext_lazy("Speed"),
        gettext_lazy("tokens a second"),
        {"tokens_per_second": gettext_lazy("speed")},
    ),
]


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    require_engineer(request.user)
    runs = RewardModel.objects.select_related("snapshot__campaign", "base")[:SHOWN]
    return render(request, "rewardmodel/list.html", {"runs": runs})


@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rewardmodel/run.html", watched(pk))


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    """The part of the page that changes while the run goes; once it has ended, the whole page."""
    require_engineer(request.user)
    context = watched(pk)
    response = render(request, "rewardmodel/run.html#live", context)
    if not context["run"].is_active:
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_http_methods(["GET", "POST"])
def train(request: SignedIn, pk: int) -> HttpResponse:
    """Start a reward model on a snapshot."""
    require_engineer(request.user)
    snapshot = get_object_or_404(Snapshot.objects.select_related("campaign"), pk=pk)
    form = TrainForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            run = start_reward_model(
                snapshot=snapshot,
                base=form.cleaned_data["base"],
                by=request.user,
                config=form.config(),
            )
        except errors.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("rewardmodel:run", run.pk)
    return render(
        request,
        "rewardmodel/train.html",
        {"form": form, "snapshot": snapshot},
        status=422 if form.is_bound else 200,
    )


@login_required
@require_POST
def cancel(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    stop(request, get_object_or_404(RewardModel, pk=pk))
    return redirect("rewardmodel:run", pk)


def stop(request: SignedIn, run: TrainingRun) -> None:
    """Cancel a run of any kind and say what happens."""
    try:
        cancel_run(run=run, now=timezone.now())
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The run is being stopped."))


def watched(pk: int) -> dict[str, Any]:
    run = get_object_or_404(
        RewardModel.objects.select_related("snapshot__campaign", "base", "created_by"), pk=pk
    )
    return {"run": run, "charts": curves(run, CURVES), "log": log_tail(run)}
