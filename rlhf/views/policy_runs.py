"""PPO runs: one as it goes, steering it, and several side by side."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import require_engineer
from labeling.charts.lines import Chart, Series, line_chart
from labeling.models import Prompt
from labeling.requests import SignedIn, told
from rewardmodel.views.runs import live_run, stop
from rewardmodel.watching import Curve, curves, log_tail, samples
from rlhf.forms import GENERATORS, PriceForm
from rlhf.models import PolicyRun, Steering
from rlhf.selectors.frontier import frontier
from rlhf.selectors.win_rates import win_rates
from rlhf.services import steering

NATS = gettext_lazy("nats")
SECONDS = gettext_lazy("seconds an update")
CURVES = [
    Curve(
        gettext_lazy("Reward"),
        gettext_lazy("score an answer"),
        {
            "score": gettext_lazy("reward model"),
            "reward": gettext_lazy("after the KL penalty"),
            "validation_score": gettext_lazy("on prompts kept from training"),
        },
    ),
    Curve(
        gettext_lazy("Distance from the parent"),
        gettext_lazy("nats an answer"),
        {"kl": gettext_lazy("KL")},
    ),
    Curve(
        gettext_lazy("KL coefficient"),
        gettext_lazy("score a nat"),
        {"kl_coef": gettext_lazy("KL coefficient")},
    ),
    Curve(gettext_lazy("Entropy"), NATS, {"entropy": gettext_lazy("entropy")}),
    Curve(gettext_lazy("Length"), gettext_lazy("tokens"), {"length": gettext_lazy("length")}),
    Curve(
        gettext_lazy("How answers end and repeat"),
        gettext_lazy("share"),
        {
            "eos_rate": gettext_lazy("ended by themselves"),
            "repetition": gettext_lazy("word triples that repeat"),
        },
    ),
    Curve(
        gettext_lazy("Clipped"),
        gettext_lazy("share of tokens"),
        {"clip_fraction": gettext_lazy("clipped")},
    ),
    Curve(gettext_lazy("Value loss"), "", {"value_loss": gettext_lazy("value loss")}),
    Curve(
        gettext_lazy("What the critic foresees"),
        gettext_lazy("share of the variance"),
        {"explained_variance": gettext_lazy("explained variance")},
    ),
    Curve(
        gettext_lazy("Time by phase"),
        SECONDS,
        {
            "seconds_rollout": gettext_lazy("sampling"),
            "seconds_score": gettext_lazy("scoring"),
            "seconds_freeze": gettext_lazy("old probabilities"),
            "seconds_train": gettext_lazy("training"),
            "seconds_sync": gettext_lazy("weights to the engine"),
        },
    ),
    Curve(
        gettext_lazy("Sampling speed"),
        gettext_lazy("tokens a second"),
        {"tokens_per_second": gettext_lazy("speed")},
    ),
    Curve(
        gettext_lazy("Engine against trainer"),
        gettext_lazy("nats a token"),
        {"engine_gap": gettext_lazy("difference")},
    ),
]
MOST_COMPARED = 6  # lines that can be told apart


@dataclass(frozen=True)
class Sample:
    """Answers to one prompt: the reference's, the newest, and those in between."""

    prompt: Prompt
    reference: str
    newest: tuple[int, str] | None  # update and text
    between: list[tuple[int, str]]


@dataclass(frozen=True)
class Steered:
    """A change by an engineer, and the first update for which it was in force."""

    change: Steering
    update: int | None  # None: with the next one


@login_required
@require_safe
def run(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    context = watched(pk)
    return render(request, "rlhf/run.html", {**context, "form": price_form(context["run"])})


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return live_run(request, "rlhf/run.html", watched(pk))


@login_required
@require_POST
def cancel(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    stop(request, get_object_or_404(PolicyRun, pk=pk))
    return redirect("rlhf:run", pk)


@login_required
@require_POST
def price(request: SignedIn, pk: int) -> HttpResponse:
    """Change the KL coefficient of a run that goes."""
    require_engineer(request.user)
    context = watched(pk)
    form = PriceForm(request.POST)
    if form.is_valid():
        kl_coef = form.cleaned_data["kl_coef"]
        try:
            steering.change_kl_coef(run=context["run"], kl_coef=kl_coef, by=request.user)
        except errors.Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The next update pays the new price."))
            return redirect("rlhf:run", pk)
    return render(request, "rlhf/run.html", {**context, "form": form}, status=422)


@login_required
@require_POST
def finish(request: SignedIn, pk: int) -> HttpResponse:
    """End a run after its present update, with a result."""
    require_engineer(request.user)
    with told(request, _("The run ends after its present update and keeps the result.")):
        steering.finish(run=get_object_or_404(PolicyRun, pk=pk), by=request.user)
    return redirect("rlhf:run", pk)


@login_required
@require_safe
def compare(request: SignedIn) -> HttpResponse:
    """Several runs on one page: their curves in the same charts, and which settings differ."""
    require_engineer(request.user)
    asked = {int(pk) for pk in request.GET.getlist("run") if pk.isdecimal() and len(pk) < 10}
    runs = list(
        PolicyRun.objects.filter(pk__in=asked)
        .select_related("parent", "reward_model", "policy")
        .order_by("pk")[:MOST_COMPARED]
    )
    context = {
        "runs": runs,
        "left_out": max(0, len(asked) - MOST_COMPARED),
        "charts": compared(runs) if len(runs) > 1 else [],
        "settings": settings_that_differ(runs),
    }
    return render(request, "rlhf/compare_runs.html", context)


def compared(runs: list[PolicyRun]) -> list[Chart]:
    """A chart for every metric of the run's page, with a line for each run."""
    measured = {one: list(one.metrics.values_list("step", "values")) for one in runs}
    metrics = [
        (
            name,
            f"{curve.title}: {words}" if len(curve.metrics) > 1 else str(curve.title),
            str(curve.unit),
        )
        for curve in CURVES
        for name, words in curve.metrics.items()
    ]
    charts = (
        line_chart(
            key=f"compared-{name}",
            title=title,
            unit=unit,
            series=[
                Series(
                    _("PPO run %(number)s") % {"number": one.pk},
                    [(step, values[name]) for step, values in rows if values.get(name) is not None],
                )
                for one, rows in measured.items()
            ],
        )
        for name, title, unit in metrics
    )
    return [chart for chart in charts if chart is not None]


def settings_that_differ(runs: list[PolicyRun]) -> list[tuple[str, list[Any]]]:
    """Settings that the runs do not share: name, and each run's value, None for the default."""
    names = sorted({name for one in runs for name in one.config})
    rows = [(name, [one.config.get(name) for one in runs]) for name in names]
    return [(name, values) for name, values in rows if any(v != values[0] for v in values)]


def price_form(run: PolicyRun) -> PriceForm:
    """With the price that the newest update paid."""
    newest = run.metrics.order_by("step").last()
    return PriceForm(initial={"kl_coef": newest.values.get("kl_coef")} if newest else None)


def watched(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        PolicyRun.objects.select_related(
            "campaign", "parent", "policy", "reward_model", "held_out_model", "created_by"
        ),
        pk=pk,
    )
    changes = steered(found)
    generator = found.config.get("generator", "vllm")
    return {
        "run": found,
        "charts": curves(found, CURVES),
        "log": log_tail(found),
        "samples": samples_of(found),
        "frontier": frontier(found),
        "wins": win_rates(found.figures),
        "generator": dict(GENERATORS).get("" if generator == "vllm" else generator, generator),
        "changes": changes,
        "ending": any(one.change.finish for one in changes),
        "priced": found.config.get("algorithm") != "dpo",
    }


def steered(run: PolicyRun) -> list[Steered]:
    """What engineers changed of a run, and from when on."""
    changes = list(run.steerings.select_related("steered_by"))
    if not changes:
        return []
    in_force = [
        (step, values.get("steered", 0))
        for step, values in run.metrics.values_list("step", "values")
    ]
    return [
        Steered(change, next((step for step, number in in_force if number >= change.number), None))
        for change in changes
    ]


def samples_of(run: PolicyRun) -> list[Sample]:
    """What the run says to its fixed prompts, beside what the reference said."""
    answers = samples(run)
    prompts = Prompt.objects.in_bulk([prompt for prompt, _answers in answers])
    shown = []
    for pk, texts in answers:
        if pk in prompts:
            (_step, reference), *later = texts  # the reference answered first, as update 0
            newest = later[-1] if later else None
            shown.append(Sample(prompts[pk], reference, newest, later[:-1]))
    return shown
