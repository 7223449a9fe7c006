"""The manager's page of quality: gold questions, and how well each labeler judges."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labeling import errors
from labeling.access import campaign_for
from labeling.forms import GoldFileForm, GoldForm, HoldForm
from labeling.models import Campaign, GoldQuestion, Hold, Membership, User
from labeling.requests import SignedIn, refusals_in, told
from labeling.selectors.quality import labelers_quality, question_shares
from labeling.services.gold import add_gold, import_gold, retire_gold
from labeling.services.holds import let_in, lift_hold, place_hold

MANAGER = Membership.Role.MANAGER
A_PAGE = 50  # questions


@login_required
@require_safe
def quality(request: SignedIn, pk: int) -> HttpResponse:
    return quality_page(request, campaign_for(request.user, pk, MANAGER))


@login_required
@require_POST
def add(request: SignedIn, pk: int) -> HttpResponse:
    """One question with its known answer."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = GoldForm(request.POST)
    if form.is_valid():
        sent = form.cleaned_data
        with refusals_in(form, of=errors.BadRow):
            add_gold(
                campaign=campaign,
                messages=[{"role": "user", "content": sent.pop("prompt")}],
                by=request.user,
                **sent,
            )
            messages.success(request, _("The question is added."))
            return redirect("labeling:quality", campaign.pk)
    return quality_page(request, campaign, gold_form=form, status=422)


@login_required
@require_POST
def upload(request: SignedIn, pk: int) -> HttpResponse:
    """A file of questions: all of them, or none and the reason."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = GoldFileForm(request.POST, request.FILES)
    if form.is_valid():
        with refusals_in(form, of=errors.BadRow, field="file"):
            count = import_gold(campaign=campaign, file=form.cleaned_data["file"], by=request.user)
            messages.success(
                request,
                ngettext("%(count)d question is added.", "%(count)d questions are added.", count)
                % {"count": count},
            )
            return redirect("labeling:quality", campaign.pk)
    return quality_page(request, campaign, file_form=form, status=422)


@login_required
@require_POST
def retire(request: SignedIn, pk: int, gold_pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    gold = get_object_or_404(GoldQuestion, pk=gold_pk, comparison__campaign=campaign)
    retire_gold(gold=gold, by=request.user, now=timezone.now())
    messages.success(request, _("The question is asked no more."))
    return redirect("labeling:quality", campaign.pk)


@login_required
@require_POST
def hold(request: SignedIn, pk: int, labeler_pk: int) -> HttpResponse:
    """Take somebody's judgments out of the data, for a reason."""
    campaign = campaign_for(request.user, pk, MANAGER)
    labels = Q(memberships__campaign=campaign) | Q(assignments__campaign=campaign)
    labeler = get_object_or_404(User.objects.filter(labels).distinct(), pk=labeler_pk)
    form = HoldForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for error in form.errors["reason"]))
        return redirect("labeling:quality", campaign.pk)
    with told(
        request, _("What they judged here is out of the data until you lift the quarantine.")
    ):
        place_hold(
            campaign=campaign,
            labeler=labeler,
            kind=Hold.Kind.QUARANTINE,
            reason=form.cleaned_data["reason"],
            by=request.user,
            now=timezone.now(),
        )
    return redirect("labeling:quality", campaign.pk)


@login_required
@require_POST
def lift(request: SignedIn, pk: int, hold_pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    lift_hold(
        hold=get_object_or_404(Hold, pk=hold_pk, campaign=campaign),
        by=request.user,
        now=timezone.now(),
    )
    messages.success(request, _("What they judged here is data again."))
    return redirect("labeling:quality", campaign.pk)


@login_required
@require_POST
def admit(request: SignedIn, pk: int, labeler_pk: int) -> HttpResponse:
    """Let somebody in who did not take or pass the test."""
    campaign = campaign_for(request.user, pk, MANAGER)
    member = get_object_or_404(
        Membership.objects.select_related("user", "campaign"),
        campaign=campaign,
        user=labeler_pk,
    )
    let_in(membership=member, by=request.user, now=timezone.now())
    messages.success(request, _("They get real work from now on."))
    return redirect("labeling:quality", campaign.pk)


def quality_page(
    request: SignedIn,
    campaign: Campaign,
    gold_form: GoldForm | None = None,
    file_form: GoldFileForm | None = None,
    status: int = 200,
) -> HttpResponse:
    questions = Paginator(questions_of(campaign), A_PAGE).get_page(request.GET.get("page"))
    shares = question_shares(campaign, [gold.pk for gold in questions])
    context = {
        "campaign": campaign,
        "labelers": labelers_quality(campaign),
        "questions": questions,
        "rows": [(gold, shares.get(gold.pk)) for gold in questions],
        "gold_form": gold_form or GoldForm(auto_id="gold-%s"),
        "file_form": file_form or GoldFileForm(auto_id="gold-file-%s"),
    }
    return render(request, "labeling/quality.html", context, status=status)


def questions_of(campaign: Campaign) -> QuerySet[GoldQuestion]:
    """The campaign's questions with a known answer, newest first."""
    return (
        GoldQuestion.objects.filter(comparison__campaign=campaign)
        .select_related("comparison__prompt")
        .order_by("-id")
    )
