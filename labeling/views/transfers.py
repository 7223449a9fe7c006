"""Data that leaves a campaign or comes into it: snapshots, exports, imports."""

import tempfile

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for
from labeling.forms import ExportForm, ImportForm, SnapshotForm
from labeling.models import Membership, Snapshot, SnapshotOrder
from labeling.models.background import is_under_way
from labeling.requests import SignedIn, live_part, told
from labeling.selectors.snapshot_orders import last_order
from labeling.services.annotated_imports import import_judgments
from labeling.services.exports import jsonl_lines, note_export, preference_rows, write_parquet
from labeling.services.snapshot_orders import order_snapshot
from labeling.services.snapshots import take_snapshot

MANAGER = Membership.Role.MANAGER


@login_required
@require_POST
def snapshot(request: SignedIn, pk: int) -> HttpResponse:
    """Freeze the answers that stand now; where judges are estimated first, a worker does it."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = SnapshotForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose how answers become labels."))
        return redirect("labeling:campaign", campaign.pk)
    method = form.cleaned_data["method"]
    with told(request):
        if method == SnapshotOrder.Method.SHARES:
            taken = take_snapshot(campaign=campaign, kinds=form.kinds(), by=request.user)
            messages.success(request, _taken(taken))
        else:
            order_snapshot(campaign=campaign, kinds=form.kinds(), method=method, by=request.user)
    return redirect(f"{reverse('labeling:campaign', args=[campaign.pk])}#snapshots")


def _taken(snapshot: Snapshot) -> str:
    return _("Snapshot %(name)s: %(train)d pairs to train on, %(test)d to test with.") % {
        "name": snapshot.digest[:8],
        "train": snapshot.train_pairs,
        "test": snapshot.test_pairs,
    }


@login_required
@require_safe
def snapshot_state(request: SignedIn, pk: int) -> HttpResponse:
    """How a snapshot that a worker makes goes on; once it has ended, the whole page."""
    campaign = campaign_for(request.user, pk, MANAGER)
    order = last_order(campaign)
    context = {"campaign": campaign, "order": order}
    under_way = is_under_way(order)
    return live_part(request, "labeling/campaign.html#order", context, under_way=under_way)


@login_required
@require_safe
def export(request: SignedIn, pk: int) -> HttpResponseBase:
    """The preferences that stand, as a file; JSONL is streamed row by row."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = ExportForm(request.GET)
    if not form.is_valid():
        messages.error(request, _("Choose JSONL or Parquet."))
        return redirect("labeling:campaign", campaign.pk)
    note_export(
        campaign=campaign, kinds=form.kinds(), to=form.cleaned_data["format"], by=request.user
    )
    rows = preference_rows(campaign, form.kinds())
    name = f"{slugify(campaign.name) or 'preferences'}-{timezone.localdate():%Y%m%d}"
    if form.cleaned_data["format"] == "jsonl":
        response = StreamingHttpResponse(jsonl_lines(rows), content_type="application/x-ndjson")
        response["Content-Disposition"] = f'attachment; filename="{name}.jsonl"'
        return response
    # Parquet ends with its index, so the whole file is written before the first byte is sent.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - FileResponse closes it
    write_parquet(rows, file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.parquet")


@login_required
@require_POST
def import_file(request: SignedIn, pk: int) -> HttpResponse:
    """Take in a file of preferences: all of it, or nothing and the reason."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, _("Choose a file first; an empty one holds no preferences."))
        return redirect("labeling:campaign", campaign.pk)
    file = form.cleaned_data["file"]
    try:
        report = import_judgments(
            campaign=campaign, file=file, name=file.name, by=request.user, now=timezone.now()
        )
    except errors.Refused as refusal:
        messages.error(request, str(refusal))
    else:
        several = _(
            "%(taken)d pairs with %(judgments)d judgments imported; left out: %(discarded)d "
            "identical, %(repeated)d repeated."
        )
        single = _(
            "%(taken)d preferences imported; left out: %(discarded)d identical or empty, "
            "%(repeated)d repeated, %(other)d about different prompts."
        )
        messages.success(
            request,
            (single if report.judgments == report.preferences else several)
            % {
                "taken": report.preferences,
                "judgments": report.judgments,
                "discarded": report.discarded,
                "repeated": report.repeated,
                "other": report.not_comparable,
            },
        )
    return redirect("labeling:campaign", campaign.pk)
