"""Pairs that a labeling page keeps for later, so that the next is there without a network."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from labeling import errors, sittings
from labeling.access import campaign_for
from labeling.forms import AheadForm, ReleaseForm, answer_form
from labeling.models import Assignment, Campaign
from labeling.requests import SignedIn, in_one_sentence
from labeling.services.assignments import claim_ahead, release_unused
from labeling.views.work import PAIR, answered_today, today_in_words


@never_cache
@login_required
@require_POST
def ahead(request: SignedIn, pk: int) -> HttpResponse:
    """All that the labeler holds, topped up, with the HTML of what the page does not have yet."""
    campaign = campaign_for(request.user, pk)
    form = AheadForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"refusal": in_one_sentence(form)}, status=422)
    now = timezone.now()
    try:
        if sittings.warning_unread(request, campaign, now):
            raise errors.WarningUnread
        held = claim_ahead(
            labeler=request.user, campaign=campaign, at_most=form.cleaned_data["want"], now=now
        )
    except errors.Refused as refusal:
        return JsonResponse({"refusal": str(refusal)}, status=409)
    had = form.cleaned_data["have"]
    return JsonResponse(
        {
            "held": [assignment.pk for assignment in held],
            "until": held[0].leased_until.isoformat() if held else "",  # type: ignore[union-attr]
            "seconds": campaign.lease_minutes * 60,
            "pairs": rendered(
                request, campaign, [assignment for assignment in held if assignment.pk not in had]
            ),
        }
    )


def rendered(
    request: SignedIn, campaign: Campaign, assignments: list[Assignment]
) -> list[dict[str, object]]:
    """Each pair as the page will put it in place."""
    context = {
        "campaign": campaign,
        "today_in_words": today_in_words(answered_today(request.user)),
    }
    return [
        {
            "id": assignment.pk,
            "html": render_to_string(
                PAIR,
                {**context, "assignment": assignment, "form": answer_form(assignment)},
                request,
            ),
        }
        for assignment in assignments
    ]


@never_cache
@login_required
@require_POST
def release(request: SignedIn, pk: int) -> HttpResponse:
    """A page is left: what it took ahead and did not use is free again."""
    campaign = campaign_for(request.user, pk)
    form = ReleaseForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"refusal": in_one_sentence(form)}, status=422)
    release_unused(
        labeler=request.user,
        campaign=campaign,
        pks=form.cleaned_data["unused"],
        until=form.cleaned_data["until"],
        now=timezone.now(),
    )
    return HttpResponse(status=204)
