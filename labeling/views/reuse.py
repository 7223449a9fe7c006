"""An answer that was refused because its time ran out, sent once more for the same pair."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from labeling import errors
from labeling.access import assignment_for
from labeling.forms import answer_form
from labeling.requests import SignedIn, in_background, in_one_sentence
from labeling.services.reuse import reuse_answer
from labeling.views.work import refused, stored


@never_cache
@login_required
@require_POST
def reuse(request: SignedIn, pk: int) -> HttpResponse:
    """Store the answer in another slot of its pair, where one is open."""
    assignment = assignment_for(request.user, pk)
    campaign = assignment.comparison.campaign
    form = answer_form(assignment, request.POST)
    try:
        if not form.is_valid():
            raise errors.AnswerNotOffered(in_one_sentence(form))
        reuse_answer(
            assignment=assignment,
            labeler=request.user,
            now=timezone.now(),
            **form.to_record(assignment),
        )
    except errors.Refused as refusal:
        return refused(request, assignment, form, refusal)
    if in_background(request):
        return stored(request, campaign)
    messages.success(request, _("Your answer is stored after all."))
    return redirect("labeling:work", campaign.pk)
