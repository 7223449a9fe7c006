"""The part of a campaign's page about ideal answers: how many, snapshots, files in and out."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for
from labeling.forms import (
    DemonstrationExportForm,
    DemonstrationImportForm,
    DemonstrationKindsForm,
)
from labeling.models import Act, Campaign, Membership
from labeling.requests import SignedIn, in_one_sentence
from labeling.selectors.demonstrations import writing
from labeling.services.demonstration_imports import import_demonstrations
from labeling.services.demonstration_snapshots import (
    demonstration_rows,
    take_demonstration_snapshot,
)
from labeling.services.exports import jsonl_lines, note_export

MANAGER = Membership.Role.MANAGER
SNAPSHOTS_SHOWN = 8


@login_required
@require_safe
def demonstrations(request: SignedIn, pk: int) -> HttpResponse:
    """Nothing where a campaign has no ideal answers and asks for none."""
    campaign = campaign_for(request.user, pk, MANAGER)
    standing = writing(campaign)
    context = {
        "campaign": campaign,
        "writing": standing,
        "concerned": campaign.kind == Campaign.Kind.DEMONSTRATION
        or campaign.edits_better
        or standing.any,
        "snapshots": campaign.demonstration_snapshots.all()[:SNAPSHOTS_SHOWN],
        "kinds_form": DemonstrationKindsForm(auto_id="freeze-%s"),
        "import_form": DemonstrationImportForm(auto_id="take-in-%s"),
        "export_form": DemonstrationExportForm(auto_id="write-out-%s"),
    }
    return render(request, "labeling/demonstrations.html", context)


@login_required
@require_POST
def snapshot(request: SignedIn, pk: int) -> HttpResponse:
    """Freeze the demonstrations that stand now."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = DemonstrationKindsForm(request.POST)
    if not form.is_valid():
        messages.error(request, in_one_sentence(form))
        return redirect("labeling:campaign", pk)
    taken = take_demonstration_snapshot(
        campaign=campaign,
        kinds=form.kinds(),
        sources=form.cleaned_data["sources"],
        by=request.user,
    )
    messages.success(
        request,
        _("Snapshot %(name)s: %(train)d demonstrations to learn from, %(test)d held out.")
        % {"name": taken.digest[:8], "train": taken.train_count, "test": taken.test_count},
    )
    return redirect("labeling:campaign", pk)


@login_required
@require_safe
def export(request: SignedIn, pk: int) -> HttpResponseBase:
    """The demonstrations that stand, as JSONL, streamed row by row."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = DemonstrationExportForm(request.GET)
    if not form.is_valid():
        messages.error(request, in_one_sentence(form))
        return redirect("labeling:campaign", pk)
    note_export(
        campaign=campaign,
        kinds=form.kinds(),
        to=form.cleaned_data["layout"],
        by=request.user,
        act=Act.DEMONSTRATIONS_EXPORTED,
    )
    rows = demonstration_rows(campaign, form.kinds(), form.cleaned_data["layout"])
    name = slugify(campaign.name) or f"campaign-{campaign.pk}"
    return StreamingHttpResponse(
        jsonl_lines(rows),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}-demonstrations.jsonl"'},
    )


@login_required
@require_POST
def import_file(request: SignedIn, pk: int) -> HttpResponse:
    """Take a file in: all of it, or nothing and the first line that is wrong."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = DemonstrationImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, in_one_sentence(form))
        return redirect("labeling:campaign", pk)
    file = form.cleaned_data["file"]
    try:
        report = import_demonstrations(
            campaign=campaign,
            file=file,
            name=file.name,
            by=request.user,
            now=timezone.now(),
            author_kind=form.cleaned_data["written_by"],
        )
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request,
            _("%(count)d demonstrations imported, %(repeated)d repeated ones left out.")
            % {"count": report.demonstrations, "repeated": report.repeated},
        )
    return redirect("labeling:campaign", pk)
