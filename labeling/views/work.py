"""The labeling page: take a pair, judge it, get the next one in the same response."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import assignment_for, campaign_for
from labeling.forms import JudgmentForm, SkipForm
from labeling.models import Assignment, Campaign, User
from labeling.requests import SignedIn
from labeling.selectors.assignments import answered_by, claimable_by, held_by
from labeling.selectors.campaigns import campaigns_with_work
from labeling.services.assignments import claim_next
from labeling.services.judgments import record_judgment

# Counting further than this costs more than knowing it is worth.
COUNTED_UP_TO = 500


@never_cache
@login_required
@require_safe
def choose(request: SignedIn) -> HttpResponse:
    """The campaigns a labeler may work in; with a single one there is nothing to choose."""
    campaigns = list(campaigns_with_work(request.user))
    if len(campaigns) == 1:
        return redirect("labeling:work", campaigns[0].pk)
    now = timezone.now()
    offers = [
        (
            campaign,
            claimable_by(request.user, campaign, now)[:COUNTED_UP_TO].count()
            + held_by(request.user, campaign).count(),
        )
        for campaign in campaigns
    ]
    return render(
        request,
        "labeling/choose.html",
        {"offers": offers, "most": COUNTED_UP_TO, "today": answered_today(request.user)},
    )


@never_cache
@login_required
@require_safe
def work(request: SignedIn, pk: int) -> HttpResponse:
    """One campaign's next pair for this labeler; asking again shows the same pair."""
    campaign = campaign_for(request.user, pk)
    assignment = claim_next(labeler=request.user, campaign=campaign, now=timezone.now())
    return show(request, campaign, assignment)


@never_cache
@login_required
@require_POST
def judge(request: SignedIn, pk: int) -> HttpResponse:
    """Save one answer and show the next pair in its place."""
    assignment = assignment_for(request.user, pk)
    campaign = assignment.comparison.campaign
    form = JudgmentForm(request.POST, campaign=campaign)
    if not form.is_valid():
        return show(request, campaign, assignment, form=form, status=422)

    now = timezone.now()
    try:
        record_judgment(
            assignment=assignment,
            labeler=request.user,
            answer=form.judgment(assignment),
            client_key=form.cleaned_data["client_key"],
            seconds=form.cleaned_data["seconds"],
            now=now,
        )
    except errors.AnswerNotOffered as refusal:
        form.add_error(None, str(refusal))
        return show(request, campaign, assignment, form=form, status=422)
    except errors.Refused as refusal:
        return show(request, campaign, None, form=form, refusal=refusal, status=409)
    if not request.htmx:
        return redirect("labeling:work", campaign.pk)
    return show(request, campaign, claim_next(labeler=request.user, campaign=campaign, now=now))


def show(
    request: SignedIn,
    campaign: Campaign,
    assignment: Assignment | None,
    form: JudgmentForm | None = None,
    refusal: errors.Refused | None = None,
    status: int = 200,
    skip_form: SkipForm | None = None,
) -> HttpResponse:
    """The page, or only its pair when htmx puts it in place.

    Someone else's pair is never shown, not even to say what is wrong with an answer to it.
    """
    if assignment is not None and assignment.labeler_id != request.user.pk:
        assignment, refusal = None, errors.LeaseExpired()
    template = "labeling/work.html#pair" if request.htmx else "labeling/work.html"
    context = {
        "campaign": campaign,
        "assignment": assignment,
        "form": form or JudgmentForm(campaign=campaign),
        "skip_form": skip_form,
        "refusal": refusal,
        "today": answered_today(request.user),
    }
    return render(request, template, context, status=status)


def answered_today(labeler: User) -> int:
    return answered_by(labeler, timezone.localtime().replace(hour=0, minute=0, second=0))
