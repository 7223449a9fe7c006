"""Groups of labelers: who is in them, and which campaigns invite them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling import errors
from labeling.access import campaign_for, group_for, manages_campaigns
from labeling.forms import GroupForm, GroupPeopleForm, InviteGroupForm
from labeling.models import LabelerGroup, Membership, User
from labeling.requests import SignedIn
from labeling.services.groups import (
    dismiss_group,
    found_group,
    invite_group,
    join_group,
    leave_group,
)

MANAGER = Membership.Role.MANAGER


@login_required
@require_http_methods(["GET", "POST"])
def index(request: SignedIn) -> HttpResponse:
    """All groups, and a new one."""
    if not manages_campaigns(request.user):
        raise PermissionDenied
    form = GroupForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            group = found_group(
                name=form.cleaned_data["name"], people=form.cleaned_data["names"], by=request.user
            )
        except errors.NameTaken as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, _("The group is made; campaigns can invite it."))
            return redirect("labeling:group", group.pk)
    groups = LabelerGroup.objects.select_related("owner").annotate(size=Count("places"))
    context = {"form": form, "groups": groups}
    return render(request, "labeling/groups.html", context, status=422 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "POST"])
def detail(request: SignedIn, pk: int) -> HttpResponse:
    """Who is in a group; whoever founded it adds more."""
    group = group_for(request.user, pk)
    form = GroupPeopleForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        join_group(group=group, people=form.cleaned_data["names"], by=request.user)
        messages.success(request, _("They are in the group and in its campaigns."))
        return redirect("labeling:group", pk)
    context = {
        "group": group,
        "form": form,
        "places": group.places.select_related("user").order_by("user__username"),
        "campaigns": group.campaigns.order_by("name"),
    }
    return render(request, "labeling/group.html", context, status=422 if form.is_bound else 200)


@login_required
@require_POST
def take_out(request: SignedIn, pk: int, user_pk: int) -> HttpResponse:
    group = group_for(request.user, pk)
    user = get_object_or_404(User, pk=user_pk, labeler_groups=group)
    leave_group(group=group, user=user, by=request.user)
    messages.success(request, _("%(name)s is out of the group.") % {"name": user.username})
    return redirect("labeling:group", pk)


@login_required
@require_POST
def invite(request: SignedIn, pk: int) -> HttpResponse:
    """Let a group label in a campaign."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = InviteGroupForm(request.POST, campaign=campaign)
    if form.is_valid():
        invite_group(campaign=campaign, group=form.cleaned_data["group"], by=request.user)
        messages.success(request, _("The group labels here, with whoever joins it later."))
    else:
        messages.error(request, _("There is no such group, or it labels here already."))
    return redirect("labeling:people", pk)


@login_required
@require_POST
def dismiss(request: SignedIn, pk: int, group_pk: int) -> HttpResponse:
    campaign = campaign_for(request.user, pk, MANAGER)
    group = get_object_or_404(LabelerGroup, pk=group_pk, campaigns=campaign)
    dismiss_group(campaign=campaign, group=group, by=request.user)
    messages.success(request, _("The group labels here no longer; what it judged stays."))
    return redirect("labeling:people", pk)
