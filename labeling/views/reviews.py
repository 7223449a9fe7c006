"""The reviewers' queue: what waits, one pair at a time, and what is known once it is decided."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for, review_item_for
from labeling.forms import LETTERS, answer_form, order_in_words
from labeling.models import Assignment, Campaign, Judgment, Membership, Report, ReviewItem
from labeling.models.background import is_under_way
from labeling.requests import SignedIn, live_part, refusals_in, told
from labeling.selectors.reports import latest_report, newest_request
from labeling.selectors.reviews import counts_by_reason, other_answers, waiting
from labeling.services.reports import request_report
from labeling.services.reviews import as_shown, check_reviewable, decide, dismiss

REVIEWER = Membership.Role.REVIEWER
PEOPLE = Judgment.JudgeKind.PERSON
SHOWN = 30


@login_required
@require_safe
def queue(request: SignedIn, pk: int) -> HttpResponse:
    """What waits for a decision, by reason, what matters most first."""
    campaign = campaign_for(request.user, pk, REVIEWER)
    reason = _reason(request)
    items = waiting(campaign, request.user, reason).select_related("comparison__prompt")
    reasons = counts_by_reason(campaign, request.user)
    context = {
        **_search_state(campaign),
        "report": latest_report(campaign, Report.Subject.REVIEW, PEOPLE),
        "reason": reason,
        "reasons": reasons,
        "total": sum(count for _value, _words, count in reasons),
        "items": items[:SHOWN],
    }
    return render(request, "labeling/reviews.html", context)


@login_required
@require_POST
def search(request: SignedIn, pk: int) -> HttpResponse:
    """Look for pairs worth a review, in the background."""
    campaign = campaign_for(request.user, pk, REVIEWER)
    request_report(campaign=campaign, subject=Report.Subject.REVIEW, judges=PEOPLE, by=request.user)
    return redirect("labeling:reviews", campaign.pk)


@login_required
@require_safe
def live(request: SignedIn, pk: int) -> HttpResponse:
    """How the search goes on; once it has ended, the whole page."""
    context = _search_state(campaign_for(request.user, pk, REVIEWER))
    under_way = is_under_way(context["wanted"])
    return live_part(request, "labeling/reviews.html#state", context, under_way=under_way)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def review(request: SignedIn, pk: int) -> HttpResponse:
    """One pair or group to decide; once that is done, what others and the reward model said."""
    item = review_item_for(request.user, pk)
    campaign = item.campaign
    if item.closed_at is not None and request.method == "GET":
        return render(request, "labeling/reviewed.html", _known(item, request))
    assignment = as_shown(item, request.user)
    form = answer_form(assignment, request.POST or None)
    decided = redirect(f"{reverse('labeling:review', args=[item.pk])}?{_query(request)}")
    with refusals_in(form):
        try:
            check_reviewable(item, request.user)
            if form.is_valid():
                decide(
                    item=item,
                    reviewer=request.user,
                    answer=form.judgment(assignment),
                    client_key=form.cleaned_data["client_key"],
                    seconds=form.cleaned_data["seconds"],
                    now=timezone.now(),
                )
                return decided
        except errors.OwnPair as refusal:
            messages.error(request, str(refusal))
            return redirect("labeling:reviews", campaign.pk)
        except errors.AlreadyReviewed:
            return decided
    context = {
        "campaign": campaign,
        "item": item,
        "assignment": assignment,
        "form": form,
        "reason": _reason(request),
        "left_to_do": waiting(campaign, request.user, _reason(request)).count(),
    }
    status = 422 if form.is_bound else 200
    return render(request, "labeling/review.html", context, status=status)


@login_required
@require_POST
def dismiss_item(request: SignedIn, pk: int) -> HttpResponse:
    """Dismiss an item without a decision."""
    item = review_item_for(request.user, pk)
    with told(request, _("Dismissed; the pair keeps the label that its votes give it.")):
        dismiss(item=item, by=request.user, now=timezone.now())
    return redirect(_next(request, item))


def _search_state(campaign: Campaign) -> dict[str, Any]:
    """The search that was asked for last, which the page follows to its end."""
    return {
        "campaign": campaign,
        "wanted": newest_request(campaign, Report.Subject.REVIEW, PEOPLE),
    }


def _reason(request: SignedIn) -> str:
    asked = request.GET.get("reason", "")
    return asked if asked in ReviewItem.Reason.values else ""


def _query(request: SignedIn) -> str:
    reason = _reason(request)
    return f"reason={reason}" if reason else ""


def _next(request: SignedIn, item: ReviewItem) -> str:
    """Where the next item is, or the queue when there is none."""
    following = waiting(item.campaign, request.user, _reason(request)).first()
    if following is None:
        return reverse("labeling:reviews", args=[item.campaign_id])
    return f"{reverse('labeling:review', args=[following.pk])}?{_query(request)}"


def _known(item: ReviewItem, request: SignedIn) -> dict[str, Any]:
    """All answers in the words of the screen, and what else was known of the pair."""
    assignment = as_shown(item, request.user)
    surprise = item.comparison.review_items.filter(reason=ReviewItem.Reason.SURPRISE).first()
    return {
        "campaign": item.campaign,
        "item": item,
        "assignment": assignment,
        "lettered": list(zip(LETTERS, assignment.shown, strict=False))
        if assignment.shown_order
        else None,
        "reason": _reason(request),
        "answers": [(answer, _in_words(answer, assignment)) for answer in other_answers(item)],
        "surprise": surprise,
        "model_prefers_left": surprise is not None
        and surprise.details.get("prefers_first") == assignment.first_on_left,
        "next": _next(request, item),
        "more": waiting(item.campaign, request.user, _reason(request)).count(),
    }


def _in_words(answer: Judgment, assignment: Assignment) -> str:
    """An answer as this screen shows it, whatever the sides were when it was given."""
    if assignment.shown_order is not None:
        return order_in_words(answer.ranking.ranks, assignment.shown_order)
    if answer.equal:
        return str(Judgment.Equal(answer.equal).label)
    left = (answer.preference < 0) == assignment.first_on_left
    words = (
        _("Left is better, strength %(strength)d")
        if left
        else _("Right is better, strength %(strength)d")
    )
    return words % {"strength": abs(answer.preference)}
