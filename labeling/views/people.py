"""The people of a campaign: who takes part as what, and who is invited to."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.access import campaign_for, campaigns_for, invitation_for, membership_for
from labeling.forms import InvitationForm, InviteGroupForm, MemberForm, RoleForm
from labeling.models import Campaign, Membership
from labeling.requests import SignedIn, told
from labeling.services.campaigns import add_members, change_role, remove_member
from labeling.services.invitations import invite, revoke, token_of

MANAGER = Membership.Role.MANAGER
INVITATIONS_SHOWN = 50


@never_cache
@login_required
@require_safe
def index(request: SignedIn, pk: int) -> HttpResponse:
    return people_page(request, campaign_for(request.user, pk, MANAGER))


@login_required
@require_POST
def add(request: SignedIn, pk: int) -> HttpResponse:
    """Give people with accounts a role."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = MemberForm(request.POST, prefix="add")
    if not form.is_valid():
        return people_page(request, campaign, add_form=form)
    people = form.cleaned_data["names"]
    add_members(campaign=campaign, users=people, role=form.cleaned_data["role"], by=request.user)
    messages.success(request, _("They take part now; whoever had a role kept it."))
    return redirect("labeling:people", campaign.pk)


@login_required
@require_POST
def change(request: SignedIn, pk: int) -> HttpResponse:
    """Change what a member may do."""
    membership = membership_for(request.user, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return HttpResponse(_("There is no such role."), status=422, content_type="text/plain")
    with told(request):
        change_role(membership=membership, role=form.cleaned_data["role"], by=request.user)
    return onwards(request, membership.campaign)


@login_required
@require_POST
def remove(request: SignedIn, pk: int) -> HttpResponse:
    membership = membership_for(request.user, pk)
    with told(
        request,
        _("%(name)s takes part no longer; what they judged stays.")
        % {"name": membership.user.username},
    ):
        remove_member(membership=membership, by=request.user)
    return onwards(request, membership.campaign)


@login_required
@require_POST
def send(request: SignedIn, pk: int) -> HttpResponse:
    """Invite somebody, by e-mail or with a link to hand over."""
    campaign = campaign_for(request.user, pk, MANAGER)
    form = InvitationForm(request.POST, prefix="invite")
    if not form.is_valid():
        return people_page(request, campaign, invite_form=form)
    invite(
        campaign=campaign,
        role=form.cleaned_data["role"],
        email=form.cleaned_data["email"],
        days=form.cleaned_data["days"],
        by=request.user,
        now=timezone.now(),
    )
    messages.success(request, _("The invitation stands; its link is in the list below."))
    return redirect("labeling:people", campaign.pk)


@login_required
@require_POST
def take_back(request: SignedIn, pk: int) -> HttpResponse:
    invitation = invitation_for(request.user, pk)
    with told(request, _("The invitation is taken back; its link leads nowhere.")):
        revoke(invitation=invitation, by=request.user, now=timezone.now())
    return redirect("labeling:people", invitation.campaign_id)


def onwards(request: SignedIn, campaign: Campaign) -> HttpResponse:
    """Back to the page, or home for whoever has just given up managing it."""
    if campaigns_for(request.user, MANAGER).filter(pk=campaign.pk).exists():
        return redirect("labeling:people", campaign.pk)
    return redirect("labeling:home")


def people_page(
    request: SignedIn,
    campaign: Campaign,
    add_form: MemberForm | None = None,
    invite_form: InvitationForm | None = None,
) -> HttpResponse:
    now = timezone.now()
    members = campaign.memberships.select_related("user").order_by("role", "user__username")
    invitations = campaign.invitations.select_related("accepted_by", "created_by")
    context: dict[str, Any] = {
        "campaign": campaign,
        "members": [(member, RoleForm(initial={"role": member.role})) for member in members],
        "with_second_factor": set(
            Authenticator.objects.filter(
                type=Authenticator.Type.TOTP, user__in=members.values("user")
            ).values_list("user_id", flat=True)
        ),
        "invitations": [
            (
                invitation,
                invitation.state(now),
                request.build_absolute_uri(
                    reverse("labeling:invitation", args=[token_of(invitation)])
                ),
            )
            for invitation in invitations[:INVITATIONS_SHOWN]
        ],
        "add_form": add_form or MemberForm(prefix="add"),
        "groups": campaign.invited_groups.annotate(size=Count("places")),
        "group_form": InviteGroupForm(campaign=campaign),
        "invite_form": invite_form or InvitationForm(prefix="invite"),
    }
    wrong = add_form is not None or invite_form is not None
    return render(request, "labeling/people.html", context, status=422 if wrong else 200)
