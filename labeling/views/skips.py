"""Passing a pair on unanswered."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from labeling import errors
from labeling.access import assignment_for
from labeling.forms import SkipForm
from labeling.requests import SignedIn, in_background, in_one_sentence
from labeling.services.skips import skip_comparison
from labeling.views.work import show, stored


@never_cache
@login_required
@require_POST
def skip(request: SignedIn, pk: int) -> HttpResponse:
    """Keep why, and lead to the next pair; a page that has gone on already is told in JSON."""
    assignment = assignment_for(request.user, pk)
    campaign = assignment.comparison.campaign
    background = in_background(request)
    form = SkipForm(request.POST)
    if not form.is_valid():
        if background:
            return JsonResponse({"refusal": in_one_sentence(form)}, status=422)
        return show(request, campaign, assignment, status=422, skip_form=form)
    try:
        skip_comparison(
            assignment=assignment,
            labeler=request.user,
            now=timezone.now(),
            **form.to_record(),
        )
    except errors.Refused as refusal:
        if background:
            return JsonResponse({"refusal": str(refusal)}, status=409)
        return show(request, campaign, None, refusal=refusal, status=409, skip_form=form)
    if background:
        return stored(request, campaign)
    return redirect("labeling:work", campaign.pk)
