"""What a campaign asks: its prompts, the files they come from, what to look at before launch."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling.access import campaign_for, prompt_file_for
from labeling.dashboards.prompts import warnings
from labeling.forms import PromptFileForm
from labeling.models import Campaign, Judgment, Membership, Report
from labeling.models.background import is_under_way
from labeling.requests import SignedIn, told
from labeling.selectors.prompts import spare_prompts
from labeling.selectors.reports import latest_report, newest_request
from labeling.services.prompt_files import keep_upload, stop
from labeling.services.spare_prompts import leave_out, take_back

MANAGER = Membership.Role.MANAGER
FILES_SHOWN = 20


@login_required
@require_safe
def index(request: SignedIn, pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    context = {**_prompts_and_files(campaign), "form": PromptFileForm()}
    return render(request, "labeling/prompts.html", context)


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    """How far the files are."""
    campaign = campaign_for(request.user, pk, MANAGER)
    return render(request, "labeling/prompts.html#files", _prompts_and_files(campaign))


@login_required
@require_POST
def upload(request: SignedIn, pk: int) -> HttpResponse:
    """Keep a file for a worker to read; what is wrong with it stands beside it later."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = PromptFileForm(request.POST, request.FILES)
    if not form.is_valid():
        context = {**_prompts_and_files(campaign), "form": form}
        return render(request, "labeling/prompts.html", context, status=422)
    file = form.cleaned_data["file"]
    with told(request, _("The file is here and is read in the background.")):
        keep_upload(
            campaign=campaign, file=file, name=file.name, wanted=form.wanted(), by=request.user
        )
    return redirect("labeling:prompts", campaign.pk)


@login_required
@require_POST
def stop_reading(request: SignedIn, pk: int) -> HttpResponse:
    """Stop reading a file."""
    file = prompt_file_for(request.user, pk)
    with told(request, _("Stopped; none of the file's prompts came in.")):
        stop(file=file, by=request.user, now=timezone.now())
    return redirect("labeling:prompts", file.campaign_id)


@login_required
@require_POST
def leave_out_near_duplicates(request: SignedIn, pk: int) -> HttpResponse:
    """Leave near-duplicates out."""
    campaign = campaign_for(request.user, pk, MANAGER)
    with told(request):
        count = leave_out(campaign=campaign, by=request.user)
        said = ngettext("%(count)s prompt is left out.", "%(count)s prompts are left out.", count)
        messages.success(request, said % {"count": intcomma(count)})
    return redirect("labeling:prompts", campaign.pk)


@login_required
@require_POST
def take_back_near_duplicates(request: SignedIn, pk: int) -> HttpResponse:
    """Ask again what was left out."""
    campaign = campaign_for(request.user, pk, MANAGER)
    count = take_back(campaign=campaign, by=request.user)
    said = ngettext("%(count)s prompt is asked again.", "%(count)s prompts are asked again.", count)
    messages.success(request, said % {"count": intcomma(count)})
    return redirect("labeling:prompts", campaign.pk)


def _prompts_and_files(campaign: Campaign) -> dict[str, Any]:
    people = Judgment.JudgeKind.PERSON
    report = latest_report(campaign, Report.Subject.PROMPTS, people)
    wanted = newest_request(campaign, Report.Subject.PROMPTS, people)
    files = list(campaign.prompt_files.select_related("uploaded_by")[:FILES_SHOWN])
    count = campaign.prompts.count()
    return {
        "campaign": campaign,
        "files": files,
        "prompts": count,
        "report": report,
        "checking": is_under_way(wanted),
        "outdated": report is not None and report.figures["prompts"] != count,
        "spare": spare_prompts(campaign),
        "left_out": campaign.left_out.count(),
        "warnings": warnings(report.figures) if report else [],
        "reading": any(file.is_active for file in files) or is_under_way(wanted),
    }
