"""What a campaign needs before launch, what its next labels are worth, and when it stops."""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, isinf
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling.access import campaign_for
from labeling.models import Campaign, Membership, PairRule, Report
from labeling.requests import SignedIn
from labeling.selectors.reports import latest_report
from labeling.services.reports import request_report
from labeling.statistics.planning import Need, Z, need_for_width
from rlhf.forms import PlannerForm, StopRuleForm
from rlhf.selectors.pair_plans import plan_of
from rlhf.selectors.planning import (
    MORE,
    PEOPLE,
    Measured,
    measured_curve,
    measured_likeness,
    measured_pace,
    meetings,
)
from rlhf.services.stop_rules import set_stop_rule

MANAGER = Membership.Role.MANAGER
OVERLAPS = (1, 2, 3, 5)
# Of people who compare responses, where nothing is known yet: research reports 0.3 to 0.6.
ALIKE = 0.45


@dataclass(frozen=True)
class Row:
    """One overlap and what a goal needs with it."""

    need: Need
    cost: Decimal | None
    days: int | None  # None: the pace is not known
    beyond: bool  # the budget
    chosen: bool


@login_required
@require_safe
def index(request: SignedIn, pk: int) -> HttpResponse:
    return _shown(request, campaign_for(request.user, pk, MANAGER))


@login_required
@require_POST
def look(request: SignedIn, pk: int) -> HttpResponse:
    """Count again how the policies fare against each other, in the background."""
    campaign = campaign_for(request.user, pk, MANAGER)
    for subject in (Report.Subject.MEETINGS, Report.Subject.AGREEMENT):
        request_report(campaign=campaign, subject=subject, judges=PEOPLE, by=request.user)
    messages.success(request, _("Counted in the background; look again in a moment."))
    return redirect("rlhf:planner", pk)


@login_required
@require_POST
def stop_rule(request: SignedIn, pk: int) -> HttpResponse:
    """Say when the campaign pauses by itself."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = StopRuleForm(request.POST)
    if not form.is_valid():
        return _shown(request, campaign, stop_form=form)
    set_stop_rule(campaign=campaign, by=request.user, **form.rule())
    messages.success(request, _("Saved."))
    return redirect("rlhf:planner", pk)


def _shown(
    request: SignedIn, campaign: Campaign, stop_form: StopRuleForm | None = None
) -> HttpResponse:
    curve = measured_curve(campaign)
    known = _known(campaign)
    form = PlannerForm({**known, **request.GET.dict()})
    asked = form.cleaned_data if form.is_valid() else None
    report = latest_report(campaign, Report.Subject.MEETINGS, PEOPLE)
    alike = measured_likeness(campaign)
    context = {
        "campaign": campaign,
        "form": form,
        "rows": _rows(campaign, asked) if asked else [],
        "labels": _labels(campaign, curve, asked) if asked else None,
        "curve": curve,
        "own": curve is not None and curve.own(campaign),
        "gain": curve.curve.gain(MORE) if curve else None,
        "more": MORE,
        "alike": alike,
        "report": report,
        "meetings": meetings(campaign, ALIKE if alike is None else alike),
        "arms": arms_in_words(report.figures) if report else [],
        "stop_form": stop_form or StopRuleForm(initial=_rule(campaign)),
    }
    wrong = stop_form is not None or asked is None
    return render(request, "rlhf/planner.html", context, status=422 if wrong else 200)


def arms_in_words(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Each arm with its words, and how many times as much a label of it taught as one by chance."""
    arms = figures.get("arms", [])
    control: dict[str, Any] = next((arm for arm in arms if arm["arm"] == PairRule.RANDOM), {})
    return [
        {
            **arm,
            "words": PairRule(arm["arm"]).label,
            "ties_share": arm["ties"] / arm["judgments"],
            "surprise_margin": None if arm["surprise_se"] is None else Z * arm["surprise_se"],
            **{
                f"{name}_ratio": arm[name] / control[name]
                for name in ("surprise", "ranking")
                if arm is not control and arm[name] and control.get(name)
            },
        }
        for arm in arms
    ]


def _known(campaign: Campaign) -> dict[str, Any]:
    """What the form begins with: what was measured, and else what is careful."""
    alike = measured_likeness(campaign)
    pace = measured_pace(campaign, timezone.now())
    met = sum(line.one.policy_id != line.other.policy_id for line in plan_of(campaign))
    entrants = campaign.entrants.count()
    return {
        "width": 5,
        "rate": 50,
        "meetings": met or max(1, entrants * (entrants - 1) // 2),
        "accuracy": "",
        "alike": ALIKE if alike is None else round(alike, 2),
        "price": "" if campaign.price is None else f"{campaign.price.normalize():f}",
        "a_day": "" if pace is None else round(pace, 1),
    }


def _rows(campaign: Campaign, asked: dict[str, Any]) -> list[Row]:
    """For each overlap, what it takes to know every win rate so well."""
    if not asked["width"]:
        return []
    found = []
    for overlap in sorted({*OVERLAPS, campaign.overlap}):
        one = need_for_width(
            (asked["rate"] or 50) / 100,
            asked["width"] / 100,
            overlap,
            ALIKE if asked["alike"] is None else asked["alike"],
        )
        need = Need(one.pairs * (asked["meetings"] or 1), overlap)
        found.append(_row(campaign, need, asked))
    return found


def _row(campaign: Campaign, need: Need, asked: dict[str, Any]) -> Row:
    cost = None if asked["price"] is None else asked["price"] * need.judgments
    days = need.days(asked["a_day"] or 0)
    return Row(
        need,
        cost,
        None if isinf(days) else ceil(days),
        cost is not None and campaign.budget is not None and cost > campaign.budget,
        need.overlap == campaign.overlap,
    )


def _labels(
    campaign: Campaign, measured: Measured | None, asked: dict[str, Any]
) -> dict[str, Any] | None:
    """Pairs for the wanted accuracy of a reward model, by the curve there is."""
    if not asked["accuracy"] or measured is None:
        return None
    wanted = asked["accuracy"] / 100
    pairs = measured.curve.pairs_for(wanted)
    fewest, most = measured.curve.range_for(wanted)
    need = None if pairs is None else Need(pairs, campaign.overlap)
    return {
        "row": None if need is None else _row(campaign, need, asked),
        "fewest": fewest,
        "most": most,
        "wanted": wanted,
    }


def _rule(campaign: Campaign) -> dict[str, float]:
    rule = {"stop_width": campaign.stop_width, "stop_gain": campaign.stop_gain}
    return {name: round(100 * value, 4) for name, value in rule.items() if value is not None}
