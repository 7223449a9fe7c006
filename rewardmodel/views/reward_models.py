"""Pages of the reward models: the list, a run as it goes and afterwards, starting, cancelling."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling.access import require_engineer
from labeling.models import Comparison, Judgment, Snapshot
from labeling.requests import SignedIn, refusals_in, told
from rewardmodel.charts import CURVES, of_report, on_suites, slices
from rewardmodel.forms import CompareForm, TrainForm
from rewardmodel.models import RewardModel, Suite
from rewardmodel.selectors.appointments import current_ones, current_reward_model, trial_of
from rewardmodel.selectors.predictions import (
    comparable,
    digest,
    duel,
    model_card,
    predictions,
)
from rewardmodel.services.reward_models import appoint as make_current
from rewardmodel.services.reward_models import start_reward_model, train_held_out
from rewardmodel.views.runs import live_run, stop
from rewardmodel.watching import watched

SHOWN = 50


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    require_engineer(request.user)
    runs = RewardModel.objects.select_related("snapshot__campaign", "base")[:SHOWN]
    return render(request, "rewardmodel/list.html", {"runs": runs, "current": current_ones()})


@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return render(request, "rewardmodel/run.html", _page(pk))


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return live_run(request, "rewardmodel/run.html", _page(pk))


@login_required
@require_http_methods(["GET", "POST"])
def train(request: SignedIn, pk: int) -> HttpResponse:
    """Start a reward model on a snapshot."""
    require_engineer(request.user)
    snapshot = get_object_or_404(Snapshot.objects.select_related("campaign"), pk=pk)
    form = TrainForm(request.POST or None, aspects=snapshot.campaign.aspects)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            run = start_reward_model(
                snapshot=snapshot,
                base=form.cleaned_data["base"],
                by=request.user,
                config=form.config(),
            )
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


@login_required
@require_POST
def appoint(request: SignedIn, pk: int) -> HttpResponse:
    """Make this model its campaign's current one."""
    require_engineer(request.user)
    run = get_object_or_404(RewardModel.objects.select_related("snapshot__campaign"), pk=pk)
    with told(request, _("This is the campaign's reward model from now on.")):
        make_current(run=run, by=request.user)
    return redirect("rewardmodel:run", pk)


@login_required
@require_POST
def held_out(request: SignedIn, pk: int) -> HttpResponse:
    """Train a model that can check what follows this one."""
    require_engineer(request.user)
    run = get_object_or_404(RewardModel.objects.select_related("snapshot__campaign", "base"), pk=pk)
    with told(request):
        made = train_held_out(of=run, by=request.user)
        return redirect("rewardmodel:run", made.pk)
    return redirect("rewardmodel:run", pk)


@login_required
@require_safe
def card(request: SignedIn, pk: int) -> HttpResponse:
    """The model card, as it lies beside the weights."""
    require_engineer(request.user)
    run = _finished(pk)
    text = model_card(run)
    if not text:
        raise Http404
    return render(request, "rewardmodel/card.html", {"run": run, "text": text})


@login_required
@require_safe
def compare(request: SignedIn, pk: int) -> HttpResponse:
    """This model beside another one, on the pairs both have held out."""
    require_engineer(request.user)
    run = _finished(pk)
    form = CompareForm(request.GET or None, runs=comparable(run))
    result = duel(run, form.cleaned_data["other"]) if form.is_bound and form.is_valid() else None
    return render(
        request,
        "rewardmodel/compare.html",
        {"run": run, "form": form, "duel": result},
        status=422 if form.is_bound and not form.is_valid() else 200,
    )


@login_required
@require_safe
def pair(request: SignedIn, pk: int, comparison: int) -> HttpResponse:
    """One held-out pair: what people said about it, and what the model says."""
    require_engineer(request.user)
    run = _finished(pk)
    shown = get_object_or_404(
        Comparison.objects.select_related("prompt", "first__policy", "second__policy"),
        pk=comparison,
        campaign=run.snapshot.campaign_id,
    )
    said = predictions(run).get(shown.pk)
    if said is None:
        raise Http404
    answers = run.snapshot.judgments.filter(comparison=shown).order_by("id")
    chosen_first = digest(shown.first.text) == said["chosen"]
    scores = said["scores"] if chosen_first else said["scores"][::-1]
    return render(
        request,
        "rewardmodel/pair.html",
        {
            "run": run,
            "comparison": shown,
            "sides": [(_("First"), shown.first, scores[0]), (_("Second"), shown.second, scores[1])],
            "answers": [(answer, in_words(answer)) for answer in answers],
        },
    )


def _finished(pk: int) -> RewardModel:
    return get_object_or_404(
        RewardModel.objects.select_related("snapshot__campaign", "base"),
        pk=pk,
        status=RewardModel.Status.SUCCEEDED,
    )


def in_words(answer: Judgment) -> str:
    """An answer about (first, second), as people read it."""
    if answer.preference == 0:
        return str(Judgment.Equal(answer.equal).label)
    side = _("first") if answer.preference < 0 else _("second")
    return _("%(side)s is better, strength %(strength)d") % {
        "side": side,
        "strength": abs(answer.preference),
    }


def _page(pk: int) -> dict[str, Any]:
    run = get_object_or_404(
        RewardModel.objects.select_related("snapshot__campaign", "base", "created_by"), pk=pk
    )
    context = {**watched(run, CURVES), "settings": _settings(run.config)}
    if run.status == RewardModel.Status.SUCCEEDED:
        context |= {
            "current": current_reward_model(run.campaign),
            "trial": trial_of(run),
            "suites": on_suites(run.suite_results.select_related("suite")),
            "unmeasured": Suite.objects.exclude(results__reward_model=run),
            "slices": slices(run.figures),
            "measured": of_report(run.figures),
            "disagreements": _disagreements(run),
            "others": CompareForm(runs=comparable(run)),
        }
    return context


def _settings(config: dict[str, Any]) -> list[tuple[str, Any]]:
    """Each choice in a line, the weights of aspects apart."""
    apart = config.get("aspects", {}).items()
    return [
        *((name, value) for name, value in config.items() if name != "aspects"),
        *((f"aspects: {name}", weight) for name, weight in apart),
    ]


def _disagreements(run: RewardModel) -> list[dict[str, Any]]:
    """Pairs on which the model contradicts confident people, each with its question."""
    rows = run.figures.get("report", {}).get("disagreements", [])
    known = Comparison.objects.filter(
        pk__in=[row["id"] for row in rows], campaign=run.snapshot.campaign_id
    ).select_related("prompt")
    prompts = {comparison.pk: comparison.prompt for comparison in known}
    return [{**row, "prompt": prompts[row["id"]]} for row in rows if row["id"] in prompts]
