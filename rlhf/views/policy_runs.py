"""PPO runs: one as it goes, steering it, and several side by side."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling.access import require_engineer
from labeling.models import Prompt
from labeling.requests import SignedIn, refusals_in, told
from rewardmodel.views.runs import live_run, stop
from rewardmodel.watching import samples, watched
from rlhf.charts.policy_runs import CURVES, compared, frontier
from rlhf.forms import GENERATORS, PriceForm
from rlhf.models import PolicyRun, Steering
from rlhf.selectors.win_rates import win_rates
from rlhf.services import steering

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
    context = _page(pk)
    return render(request, "rlhf/run.html", {**context, "form": price_form(context["run"])})


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    require_engineer(request.user)
    return live_run(request, "rlhf/run.html", _page(pk))


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
    context = _page(pk)
    form = PriceForm(request.POST)
    if form.is_valid():
        kl_coef = form.cleaned_data["kl_coef"]
        with refusals_in(form):
            steering.change_kl_coef(run=context["run"], kl_coef=kl_coef, by=request.user)
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


def settings_that_differ(runs: list[PolicyRun]) -> list[tuple[str, list[Any]]]:
    """Settings that the runs do not share: name, and each run's value, None for the default."""
    names = sorted({name for one in runs for name in one.config})
    rows = [(name, [one.config.get(name) for one in runs]) for name in names]
    return [(name, values) for name, values in rows if any(v != values[0] for v in values)]


def price_form(run: PolicyRun) -> PriceForm:
    """With the price that the newest update paid."""
    newest = run.metrics.order_by("step").last()
    return PriceForm(initial={"kl_coef": newest.values.get("kl_coef")} if newest else None)


def _page(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        PolicyRun.objects.select_related(
            "campaign", "parent", "policy", "reward_model", "held_out_model", "created_by"
        ),
        pk=pk,
    )
    changes = steered(found)
    generator = found.config.get("generator", "vllm")
    return {
        **watched(found, CURVES),
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
