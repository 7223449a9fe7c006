"""Second thoughts: back to an answer of one's own, to change it or to take it back."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for, judgment_for
from labeling.forms import AnswerForm, RetractForm, answer_form, filled_form
from labeling.models import Assignment, Judgment
from labeling.requests import SignedIn, refusals_in
from labeling.selectors.judgments import standing_answers_of
from labeling.services.corrections import change_answer, check_changeable, retract_answer
from labeling.views.work import show


@never_cache
@login_required
@require_safe
def last(request: SignedIn, pk: int) -> HttpResponse:
    """The way from the pair on the screen to the answer given before it."""
    campaign = campaign_for(request.user, pk)
    standing = standing_answers_of(request.user).filter(tombstone__isnull=True)
    standing = standing.exclude(purpose=Assignment.Purpose.REVIEW)  # decided on another page
    judgment = standing.filter(comparison__campaign=campaign).first()
    if judgment is None:
        messages.info(request, _("You have no answer in this campaign yet that could be changed."))
        return redirect("labeling:work", campaign.pk)
    return redirect("labeling:change_answer", judgment.pk)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def change(request: SignedIn, pk: int) -> HttpResponse:
    """An answer filled in as it was given; saving it leads back to the pair that was held."""
    judgment = judgment_for(request.user, pk)
    campaign = judgment.comparison.campaign
    if request.method == "GET":
        try:
            check_changeable(judgment, request.user)
        except errors.Refused as refusal:
            return show(request, campaign, None, refusal=refusal, status=409)
        return show_filled(request, judgment, filled_form(judgment))

    assert judgment.assignment is not None  # judgment_for gives no others
    form = answer_form(judgment.assignment, request.POST)
    try:
        with refusals_in(form, of=errors.AnswerNotOffered):
            if form.is_valid():
                change_answer(
                    judgment=judgment,
                    labeler=request.user,
                    now=timezone.now(),
                    **form.to_record(judgment.assignment),
                )
    except errors.Refused as refusal:
        return show(request, campaign, None, form=form, refusal=refusal, status=409)
    if not form.is_valid():
        return show_filled(request, judgment, form, status=422)
    messages.success(request, _("Your answer is changed."))
    return back(request, judgment)


@never_cache
@login_required
@require_POST
def retract(request: SignedIn, pk: int) -> HttpResponse:
    """Take an answer back; someone else judges the pair."""
    judgment = judgment_for(request.user, pk)
    form = RetractForm(request.POST)
    if not form.is_valid():
        return show_filled(request, judgment, filled_form(judgment), status=422)
    try:
        retract_answer(
            judgment=judgment,
            labeler=request.user,
            client_key=form.cleaned_data["retract_key"],
            now=timezone.now(),
        )
    except errors.Refused as refusal:
        return show(request, judgment.comparison.campaign, None, refusal=refusal, status=409)
    messages.success(request, _("Your answer is taken back; someone else judges that pair."))
    return back(request, judgment)


def show_filled(
    request: SignedIn, judgment: Judgment, form: AnswerForm, status: int = 200
) -> HttpResponse:
    context = {
        "campaign": judgment.comparison.campaign,
        "assignment": judgment.assignment,
        "changing": judgment,
        "form": form,
        "retract_key": uuid.uuid4(),
        "from_history": request.GET.get("back") == "history",
    }
    return render(request, "labeling/work.html", context, status=status)


def back(request: SignedIn, judgment: Judgment) -> HttpResponse:
    """To the pair that was held, or to the list from which the answer was opened."""
    if request.GET.get("back") == "history":
        return redirect("labeling:history")
    return redirect("labeling:work", judgment.comparison.campaign_id)
