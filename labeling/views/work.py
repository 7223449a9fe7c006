"""The labeling page: take a pair, judge it, get the next one in the same response."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling import errors, sittings
from labeling.access import assignment_for, campaign_for
from labeling.forms import AnswerForm, JudgmentForm, SkipForm, answer_form
from labeling.models import Assignment, Campaign, GoldQuestion, Judgment, User
from labeling.requests import SignedIn, in_background, in_one_sentence, refusals_in
from labeling.selectors.assignments import answered_by, held_by, to_show
from labeling.selectors.campaigns import campaigns_with_work, first_with_work, waiting_for
from labeling.selectors.care import content_kept_from
from labeling.services.assignments import claim_next
from labeling.services.demonstrations import edit_better
from labeling.services.judgments import record_judgment

# Counting further than this costs more than knowing it is worth.
COUNTED_UP_TO = 500
PAIR = "labeling/work.html#pair"


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
        (campaign, waiting_for(request.user, campaign, now, COUNTED_UP_TO))
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
def next_pair(request: SignedIn) -> HttpResponse:
    """Wherever work waits for this labeler: of several campaigns the one that is put first."""
    campaign = first_with_work(request.user, timezone.now())
    return redirect("labeling:work", campaign.pk) if campaign else redirect("labeling:choose")


@never_cache
@login_required
@require_safe
def guidelines(request: SignedIn, pk: int) -> HttpResponse:
    """The guidelines as they are now, for a page that shows an older version."""
    campaign = campaign_for(request.user, pk)
    return render(request, "labeling/work.html#guidelines", {"campaign": campaign})


@never_cache
@login_required
@require_safe
def work(request: SignedIn, pk: int) -> HttpResponse:
    """One campaign's next pair for this labeler; asking again shows the same pair."""
    campaign = campaign_for(request.user, pk)
    if sittings.warning_unread(request, campaign, timezone.now()):
        return show(request, campaign, None, warning=True)
    if campaign.kind == Campaign.Kind.CHAT:
        return redirect("rlhf:chat", campaign.pk)
    if campaign.kind == Campaign.Kind.DEMONSTRATION:
        return redirect("labeling:write", campaign.pk)
    if "X-Keep" in request.headers:  # the service worker's, for when the server is away
        held = held_by(request.user, campaign).values_list("pk", flat=True)[:1]
        shown = to_show(campaign, list(held)) if campaign.gives_out_pairs else []
        return show(request, campaign, shown[0]) if shown else HttpResponse(status=204)
    return show(request, campaign, **claimed(request, campaign))


def claimed(request: SignedIn, campaign: Campaign) -> dict[str, Any]:
    """The next pair for `to_render`, or why there is none."""
    now = timezone.now()
    try:
        return {"assignment": claim_next(labeler=request.user, campaign=campaign, now=now)}
    except errors.NothingNow as reached:
        return {"assignment": None, "rest": reached}


def coming_next(request: SignedIn, campaign: Campaign) -> dict[str, Any]:
    """What comes after an answer, for `to_render`: after a long sitting the warning once more."""
    if sittings.warning_unread(request, campaign, timezone.now()):
        return {"assignment": None, "warning": True}
    return claimed(request, campaign)


@never_cache
@login_required
@require_POST
def judge(request: SignedIn, pk: int) -> HttpResponse:
    """Save one answer; without JavaScript, go on to the next pair.

    The page sends answers in the background and asks for JSON: it shows the next pair before this
    one is stored. Where it has read none ahead, it asks for the next one in the same request.
    """
    assignment = assignment_for(request.user, pk)
    campaign = assignment.comparison.campaign
    background = in_background(request)
    form = answer_form(assignment, request.POST)
    judgment = None
    try:
        with refusals_in(form, of=errors.AnswerNotOffered):
            if form.is_valid():
                judgment = record_judgment(
                    assignment=assignment,
                    labeler=request.user,
                    now=timezone.now(),
                    **form.to_record(assignment),
                )
    except errors.Refused as refusal:
        return refused(request, assignment, form, refusal)
    if judgment is None:
        if background:
            return JsonResponse({"refusal": in_one_sentence(form)}, status=422)
        return show(request, campaign, assignment, form=form, status=422)
    explained = explanation(request, judgment)
    if background:
        return stored(request, campaign, explained)
    if explained:
        messages.info(request, mark_safe(explained))  # noqa: S308 - rendered by our own template
    if request.POST.get("then") == "edit":
        return edit(request, judgment)
    return redirect("labeling:work", campaign.pk)


def stored(request: SignedIn, campaign: Campaign, explained: str = "") -> JsonResponse:
    """That something is stored, and if the page asks for it, the pair that comes next."""
    today = answered_today(request.user)
    told = {"today": today_in_words(today), "explained": explained}
    if "next" in request.POST:
        context = to_render(request, campaign, **coming_next(request, campaign), today=today)
        told["next"] = render_to_string(PAIR, context, request)
    return JsonResponse(told)


def edit(request: SignedIn, judgment: Judgment) -> HttpResponse:
    """On to the page on which the better response is edited into the ideal answer."""
    try:
        slot = edit_better(judgment=judgment, labeler=request.user, now=timezone.now())
    except errors.Refused as refusal:
        messages.info(request, str(refusal))
        return redirect("labeling:work", judgment.comparison.campaign_id)
    return redirect("labeling:demonstrate", slot.pk)


def explanation(request: SignedIn, judgment: Judgment) -> str:
    """After a question of the test: whether it was right, and why. Other checks stay silent."""
    if judgment.purpose != Assignment.Purpose.GOLD:
        return ""
    gold = GoldQuestion.objects.filter(
        comparison=judgment.comparison_id, kind=GoldQuestion.Kind.TEST
    ).first()
    if gold is None:
        return ""
    assert judgment.assignment is not None
    left = (gold.right == GoldQuestion.Right.FIRST) == judgment.assignment.first_on_left
    context = {"gold": gold, "is_right": gold.is_right(judgment.preference), "left": left}
    return render_to_string("labeling/explanation.html", context, request)


def refused(
    request: SignedIn, assignment: Assignment, form: AnswerForm, refusal: errors.Refused
) -> HttpResponse:
    """An answer is given back with why, and where it went to someone else, with a second chance."""
    lost = isinstance(refusal, errors.LeaseExpired | errors.NoSlotFree)
    again = reverse("labeling:reuse", args=[assignment.pk]) if lost else ""
    if in_background(request):
        return JsonResponse({"refusal": str(refusal), "again": again}, status=409)
    campaign = assignment.comparison.campaign
    return show(request, campaign, None, form=form, refusal=refusal, status=409, again=again)


def show(
    request: SignedIn,
    campaign: Campaign,
    assignment: Assignment | None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """The page, or only its pair for a script that puts it in place; `more` is of `to_render`."""
    template = PAIR if request.htmx else "labeling/work.html"
    return render(
        request, template, to_render(request, campaign, assignment, **more), status=status
    )


def to_render(
    request: SignedIn,
    campaign: Campaign,
    assignment: Assignment | None,
    *,
    form: AnswerForm | None = None,
    refusal: errors.Refused | None = None,
    skip_form: SkipForm | None = None,
    warning: bool = False,
    rest: errors.NothingNow | None = None,
    again: str = "",
    today: int | None = None,
) -> dict[str, Any]:
    """What the page is rendered of.

    Someone else's pair is never shown, not even to say what is wrong with an answer to it. In the
    place of a pair stands a `refusal`, the `warning` before the first pair, or that it is time to
    `rest`.
    """
    if assignment is not None and assignment.labeler_id != request.user.pk:
        assignment, refusal = None, errors.LeaseExpired()
    if form is None:
        form = answer_form(assignment) if assignment else JudgmentForm(campaign=campaign)
    if today is None:
        today = answered_today(request.user)
    return {
        "campaign": campaign,
        "assignment": assignment,
        "form": form,
        "skip_form": skip_form,
        "refusal": refusal,
        "warning": warning,
        "rest": rest,
        "again": again,
        "opted_out": [] if assignment else content_kept_from(request.user, campaign),
        "today": today,
        "today_in_words": today_in_words(today),
    }


def answered_today(labeler: User) -> int:
    return answered_by(labeler, timezone.localtime().replace(hour=0, minute=0, second=0))


def today_in_words(count: int) -> str:
    return ngettext("%(count)d judged today", "%(count)d judged today", count) % {"count": count}
