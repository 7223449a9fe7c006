"""Dashboards of a campaign: a page for each question, its tables as CSV, and computing anew."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from labeling.access import campaign_for
from labeling.dashboards import agreement, cost, labelers, policies, progress, prompts
from labeling.dashboards.sections import Section, csv_lines
from labeling.models import Campaign, Judgment, Membership, Report
from labeling.models.background import is_under_way
from labeling.requests import SignedIn, live_part
from labeling.selectors.reports import latest_report, newest_request
from labeling.services.reports import request_report

MANAGER = Membership.Role.MANAGER
JUDGES = [
    (Judgment.JudgeKind.PERSON, _("people")),
    (Judgment.JudgeKind.SIMULATION, _("simulations")),
    (Judgment.JudgeKind.AI, _("AI judges")),
]


@dataclass(frozen=True)
class Dashboard:
    """One page: its name in addresses, its words, and how its sections are found.

    With a subject they are made of the last report's figures; without, from queries at once.
    """

    name: str
    title: str | Promise
    lead: str | Promise
    sections: Callable[[Campaign, Any], list[Section]]
    subject: str = ""
    of_judgments: bool = True  # whose, the page lets one choose
    empty: str | Promise = ""  # what to do next, where queries find nothing


DASHBOARDS = {
    page.name: page
    for page in [
        Dashboard(
            "agreement",
            _("Agreement"),
            _("How far people who judged the same pair gave the same answer."),
            agreement.sections,
            Report.Subject.AGREEMENT,
        ),
        Dashboard(
            "labelers",
            _("Labelers"),
            _("What each labeler does whatever the pair, and who stands out."),
            labelers.sections,
            Report.Subject.LABELERS,
        ),
        Dashboard(
            "policies",
            _("Policies"),
            _("Which policy people prefer, by how much, and how sure that is."),
            policies.sections,
            Report.Subject.POLICIES,
        ),
        Dashboard(
            "prompts",
            _("Prompts"),
            _("What is asked: how much of each category, what says nearly the same, what leaks."),
            prompts.sections,
            Report.Subject.PROMPTS,
            of_judgments=False,
        ),
        Dashboard(
            "progress",
            _("Progress"),
            _("How far the campaign is, and when it will end."),
            progress.sections,
            empty=_("Nobody of these has answered yet. Open the campaign, and invite labelers."),
        ),
        Dashboard(
            "cost",
            _("Cost"),
            _("What the answers cost, and what the rest will."),
            cost.sections,
            empty=_("Nothing was paid for yet. Edit the campaign to set a price for a judgment."),
        ),
    ]
}


@login_required
@require_safe
def dashboard(request: SignedIn, pk: int, name: str) -> HttpResponse:
    campaign, page, judges = _dashboard_for(request, pk, name)
    report = latest_report(campaign, page.subject, judges) if page.subject else None
    context = {
        **_report_state(campaign, page, judges),
        "report": report,
        "sections": _sections(campaign, page, judges, report),
        "kinds": [(kind, words, kind == judges) for kind, words in JUDGES],
    }
    return render(request, "labeling/dashboard.html", context)


@login_required
@require_safe
def table(request: SignedIn, pk: int, name: str, key: str) -> HttpResponseBase:
    """The table behind a chart, whole, as CSV."""
    campaign, page, judges = _dashboard_for(request, pk, name)
    report = latest_report(campaign, page.subject, judges) if page.subject else None
    for section in _sections(campaign, page, judges, report):
        if section.key == key:
            return _download(section, f"{slugify(campaign.name)}-{name}-{key}.csv")
    raise Http404


@login_required
@require_POST
def compute(request: SignedIn, pk: int, name: str) -> HttpResponse:
    """Ask for the report anew; the page follows it to its end."""
    campaign, page, judges = _dashboard_for(request, pk, name)
    if not page.subject:
        raise Http404
    request_report(campaign=campaign, subject=page.subject, judges=judges, by=request.user)
    return redirect(_address(campaign, page, judges))


@login_required
@require_safe
def live(request: SignedIn, pk: int, name: str) -> HttpResponse:
    """How a report that was asked for goes on; once it has ended, the whole page."""
    campaign, page, judges = _dashboard_for(request, pk, name)
    context = _report_state(campaign, page, judges)
    under_way = is_under_way(context["wanted"])
    return live_part(request, "labeling/dashboard.html#state", context, under_way=under_way)


def _dashboard_for(request: SignedIn, pk: int, name: str) -> tuple[Campaign, Dashboard, str]:
    """What the address names. Judgments of people unless it says otherwise."""
    campaign = campaign_for(request.user, pk, MANAGER)
    judges = request.GET.get("judges", Judgment.JudgeKind.PERSON)
    if name not in DASHBOARDS or judges not in Judgment.JudgeKind.values:
        raise Http404
    return campaign, DASHBOARDS[name], judges


def _sections(
    campaign: Campaign, page: Dashboard, judges: str, report: Report | None
) -> list[Section]:
    if not page.subject:
        return page.sections(campaign, judges)
    return page.sections(campaign, report.figures) if report else []


def _report_state(campaign: Campaign, page: Dashboard, judges: str) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "page": page,
        "judges": judges,
        "wanted": newest_request(campaign, page.subject, judges) if page.subject else None,
    }


def _address(campaign: Campaign, page: Dashboard, judges: str) -> str:
    return f"{reverse('labeling:dashboard', args=[campaign.pk, page.name])}?judges={judges}"


def _download(section: Section, name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(csv_lines(section), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
