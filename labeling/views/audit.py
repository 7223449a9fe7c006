"""The audit log: read, searched, taken away."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from labeling.access import audit_events_for, manages_campaigns
from labeling.forms import AuditForm
from labeling.requests import SignedIn
from labeling.selectors.audit import matching
from labeling.services.audit_exports import audit_row, csv_lines
from labeling.services.exports import jsonl_lines

A_PAGE = 50
FORMATS = ["csv", "jsonl"]


@login_required
@require_safe
def index(request: SignedIn) -> HttpResponse:
    """Newest first; a manager sees what concerns the campaigns they manage."""
    if not manages_campaigns(request.user):
        raise PermissionDenied
    form = AuditForm(request.GET)
    right = form.is_valid()
    events = matching(audit_events_for(request.user), form.search())
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit():
        events = events.filter(pk__lt=int(before))
    shown = list(events[: A_PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form,
        "events": shown[:A_PAGE],
        "older": shown[A_PAGE - 1].pk if len(shown) > A_PAGE else None,
        "later_page": bool(before),
        "query": query.urlencode(),
        "formats": FORMATS,
    }
    return render(request, "labeling/audit.html", context, status=200 if right else 422)


@login_required
@require_safe
def export(request: SignedIn, kind: str) -> HttpResponseBase:
    """What the search finds, as a file, streamed."""
    if not manages_campaigns(request.user):
        raise PermissionDenied
    form = AuditForm(request.GET)
    form.full_clean()
    events = matching(audit_events_for(request.user), form.search()).iterator(chunk_size=1000)
    if kind == "csv":
        response = StreamingHttpResponse(csv_lines(events), content_type="text/csv; charset=utf-8")
    else:
        lines = jsonl_lines(audit_row(event) for event in events)
        response = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    name = f"audit-{timezone.localdate():%Y%m%d}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
