"""Writing ideal answers: take a prompt, write or edit, see what it becomes, get the next one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors, sittings
from labeling.access import campaign_for, demonstration_for, prompt_slot_for
from labeling.forms import DemonstrationForm, PreviewForm, SkipPromptForm
from labeling.models import Campaign, Demonstration, DemonstrationSlot, Response, User
from labeling.requests import SignedIn, in_background, in_one_sentence, refusals_in
from labeling.selectors.care import content_kept_from
from labeling.selectors.demonstrations import own_demonstrations, written_by
from labeling.services.demonstrations import (
    change_demonstration,
    claim_prompt,
    record_demonstration,
    renew_lease,
    skip_prompt,
)

# Action, key and words of each thing that the page does by one key.
KEYS = [
    ("write", "W", gettext_lazy("Write")),
    ("start-1", "1", gettext_lazy("Start from answer 1")),
    ("start-2", "2", gettext_lazy("Start from answer 2")),
    ("start-none", "N", gettext_lazy("Start from nothing")),
    ("reveal", "V", gettext_lazy("Show or cover the responses")),
    ("submit", "Enter", gettext_lazy("Submit")),
    ("skip", "S", gettext_lazy("Skip")),
    ("undo", "U", gettext_lazy("Change your last answer")),
    ("prompt", "P", gettext_lazy("Open or close the prompt")),
    ("guidelines", "M", gettext_lazy("Open or close the guidelines")),
    ("help", "?", gettext_lazy("This list")),
]


@never_cache
@login_required
@require_safe
def write(request: SignedIn, pk: int) -> HttpResponse:
    """One campaign's next prompt for this labeler; asking again shows the same one."""
    campaign = campaign_for(request.user, pk)
    now = timezone.now()
    if campaign.kind != Campaign.Kind.DEMONSTRATION or sittings.warning_unread(
        request, campaign, now
    ):
        return redirect("labeling:work", campaign.pk)  # which shows the warning first
    try:
        slot = claim_prompt(labeler=request.user, campaign=campaign, now=now)
    except errors.NothingNow as reached:
        return show(request, campaign, None, rest=reached)
    return show(request, campaign, slot)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def record(request: SignedIn, pk: int) -> HttpResponse:
    """Store an answer and go on to the next prompt; a prompt that is held may be looked at."""
    slot = prompt_slot_for(request.user, pk)
    campaign = slot.campaign
    if request.method == "GET":
        if slot.labeler_id != request.user.pk or slot.answered_at is not None:
            return redirect("labeling:work", campaign.pk)
        return show(request, campaign, slot)
    form = DemonstrationForm(request.POST)
    try:
        with refusals_in(form, of=errors.DemonstrationRefused, field="text"):
            if form.is_valid():
                record_demonstration(
                    slot=slot, labeler=request.user, now=timezone.now(), **form.cleaned_data
                )
    except errors.Refused as refusal:
        return refused(request, slot, form, refusal)
    return stored(request, campaign) if form.is_valid() else refused(request, slot, form)


@never_cache
@login_required
@require_POST
def preview(request: SignedIn, pk: int) -> HttpResponse:
    """What a text looks like, and how it was made from the response it started from.

    Asked for as someone writes, so it is also the sign that the prompt is still worked on.
    """
    slot = prompt_slot_for(request.user, pk)
    renew_lease(slot=slot, labeler=request.user, now=timezone.now())
    form = PreviewForm(request.POST)
    if not form.is_valid():
        return HttpResponse(_("This is too long to show."), status=422, content_type="text/plain")
    source = next((r for r in slot.offered if r.pk == form.cleaned_data["started_from"]), None)
    return render(
        request,
        "labeling/write.html#preview",
        {"written": form.cleaned_data["text"], "source": source},
    )


@never_cache
@login_required
@require_POST
def skip(request: SignedIn, pk: int) -> HttpResponse:
    """Pass a prompt on unanswered, keep why, and go on to the next one."""
    slot = prompt_slot_for(request.user, pk)
    form = SkipPromptForm(request.POST)
    if not form.is_valid():
        return show(request, slot.campaign, slot, status=422, skip_form=form)
    try:
        skip_prompt(
            slot=slot,
            labeler=request.user,
            now=timezone.now(),
            **form.to_record(),
        )
    except errors.Refused as refusal:
        return show(request, slot.campaign, None, refusal=refusal, status=409)
    return redirect("labeling:work", slot.campaign_id)


@never_cache
@login_required
@require_safe
def last(request: SignedIn, pk: int) -> HttpResponse:
    """The way from the prompt on the screen to the answer written before it."""
    campaign = campaign_for(request.user, pk)
    found = own_demonstrations(request.user).filter(campaign=campaign, slot__isnull=False).first()
    if found is None:
        messages.info(request, _("You have no answer in this campaign yet that could be changed."))
        return redirect("labeling:work", campaign.pk)
    return redirect("labeling:change_demonstration", found.pk)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def change(request: SignedIn, pk: int) -> HttpResponse:
    """An ideal answer as it was written; saving it leads back to the prompt that was held."""
    demonstration = demonstration_for(request.user, pk)
    slot = demonstration.slot
    assert slot is not None  # demonstration_for gives no others
    if request.method == "GET":
        form = DemonstrationForm.filled(demonstration)
        return show(request, slot.campaign, slot, form=form, changing=demonstration)
    form = DemonstrationForm(request.POST)
    try:
        with refusals_in(form, of=errors.DemonstrationRefused, field="text"):
            if form.is_valid():
                change_demonstration(
                    demonstration=demonstration,
                    labeler=request.user,
                    now=timezone.now(),
                    **form.cleaned_data,
                )
    except errors.Refused as refusal:
        return refused(request, slot, form, refusal, changing=demonstration)
    if not form.is_valid():
        return refused(request, slot, form, changing=demonstration)
    messages.success(request, _("Your answer is changed."))
    return stored(request, slot.campaign)


def stored(request: SignedIn, campaign: Campaign) -> HttpResponse:
    """On to the next prompt, or to the next pair in a campaign of pairs."""
    following = redirect("labeling:work", campaign.pk)
    return JsonResponse({"next": following["Location"]}) if in_background(request) else following


def refused(
    request: SignedIn,
    slot: DemonstrationSlot,
    form: DemonstrationForm,
    refusal: errors.Refused | None = None,
    changing: Demonstration | None = None,
) -> HttpResponse:
    """The text is given back with why it was not stored; a page that sent it has it still."""
    status = 422 if refusal is None else 409
    if in_background(request):
        sentence = in_one_sentence(form) if refusal is None else str(refusal)
        return JsonResponse({"refusal": sentence}, status=status)
    return show(
        request, slot.campaign, slot, form=form, refusal=refusal, changing=changing, status=status
    )


def show(
    request: SignedIn,
    campaign: Campaign,
    slot: DemonstrationSlot | None,
    *,
    form: DemonstrationForm | None = None,
    skip_form: SkipPromptForm | None = None,
    refusal: errors.Refused | None = None,
    rest: errors.NothingNow | None = None,
    changing: Demonstration | None = None,
    status: int = 200,
) -> HttpResponse:
    form = form or DemonstrationForm()
    sources = slot.offered if slot else []
    chosen = str(form["started_from"].value() or "")
    # Not one prompt after the other: an answer is changed, or a judged response edited.
    alone = changing is not None or campaign.kind != Campaign.Kind.DEMONSTRATION
    context = {
        "campaign": campaign,
        "slot": slot,
        "form": form,
        "skip_form": skip_form or SkipPromptForm(),
        "refusal": refusal,
        "rest": rest,
        "changing": changing,
        "written": form["text"].value() or "",
        "source": next((response for response in sources if str(response.pk) == chosen), None),
        "opted_out": [] if slot else content_kept_from(request.user, campaign),
        "today_in_words": today_in_words(request.user),
        "alone": alone,
        "keys": [key for key in KEYS if key[0] not in unneeded(campaign, sources, alone)],
    }
    return render(request, "labeling/write.html", context, status=status)


def unneeded(campaign: Campaign, sources: list[Response], alone: bool) -> set[str]:
    """Actions that there is nothing for on this page."""
    starts = {0: {"start-1", "start-2", "start-none"}, 1: {"start-2"}}.get(len(sources), set())
    covered = bool(sources and campaign.content_warnings)
    return starts | ({"skip", "undo"} if alone else set()) | (set() if covered else {"reveal"})


def today_in_words(labeler: User) -> str:
    count = written_by(labeler, timezone.localtime().replace(hour=0, minute=0, second=0))
    return ngettext("%(count)d written today", "%(count)d written today", count) % {"count": count}
