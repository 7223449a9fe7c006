"""Test suites: the list, taking one in, and measuring a model on those newer than it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.access import require_engineer
from labeling.requests import SignedIn, refusals_in
from rewardmodel.forms import SuiteForm
from rewardmodel.models import RewardModel, Suite, SuiteResult
from rewardmodel.services.suites import import_suite
from rewardmodel.tasks import measure_suites


@login_required
@require_http_methods(["GET", "POST"])
def index(request: SignedIn) -> HttpResponse:
    """All suites with what each model reaches, the best first; and the form for another one."""
    require_engineer(request.user)
    form = SuiteForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        with refusals_in(form):
            suite = import_suite(file=file, name=form.cleaned_data["name"], by=request.user)
            messages.success(
                request, _("%(name)s: %(pairs)d pairs.") % {"name": suite, "pairs": suite.pairs}
            )
            return redirect("rewardmodel:suites")
    best_first = SuiteResult.objects.select_related("reward_model__snapshot__campaign").order_by(
        "-figures__accuracy"
    )
    suites = Suite.objects.prefetch_related(Prefetch("results", queryset=best_first))
    return render(
        request,
        "rewardmodel/suites.html",
        {"form": form, "suites": suites},
        status=422 if form.is_bound else 200,
    )


@login_required
@require_POST
def measure(request: SignedIn, pk: int) -> HttpResponse:
    """Have a finished model measured on the suites it has not seen."""
    require_engineer(request.user)
    run = get_object_or_404(RewardModel, pk=pk, status=RewardModel.Status.SUCCEEDED)
    transaction.on_commit(lambda: measure_suites.delay(run.pk), robust=True)
    messages.success(request, _("The model is measured in the background; look again in a while."))
    return redirect("rewardmodel:run", pk)
