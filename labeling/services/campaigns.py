from collections.abc import Iterable
from datetime import datetime
from itertools import count

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import errors
from labeling.models import (
    Act,
    Campaign,
    CampaignPolicy,
    Membership,
    PlannedMeeting,
    Prompt,
    User,
)
from labeling.services import audit
from labeling.services.demonstrations import want_demonstrations
from labeling.services.satisfiable import obstacles

Status = Campaign.Status

ALLOWED = {
    Status.DRAFT: {Status.OPEN},
    Status.OPEN: {Status.PAUSED, Status.CLOSED},
    Status.PAUSED: {Status.OPEN, Status.CLOSED},
    Status.CLOSED: set(),
}
ACTS = {
    Status.OPEN: Act.CAMPAIGN_OPENED,
    Status.PAUSED: Act.CAMPAIGN_PAUSED,
    Status.CLOSED: Act.CAMPAIGN_CLOSED,
}
# What a manager's form can't touch: the state has a service of its own, the rest is history.
FIXED = {"id", "status", "created_by", "created_at", "archived_at"}


@transaction.atomic
def create_campaign(
    *,
    campaign: Campaign,
    by: User | None,
    prompts: Iterable[Prompt] = (),
    entrants: Iterable[CampaignPolicy] = (),
    labelers: Iterable[User] = (),
) -> Campaign:
    """Save a new campaign; whoever makes it manages it."""
    campaign.created_by = by
    campaign.full_clean(exclude=["created_by"])
    campaign.save()
    campaign.prompts.add(*prompts)
    for entrant in entrants:
        entrant.campaign = campaign
        entrant.save()
    audit.record(
        actor=by,
        act=Act.CAMPAIGN_CREATED,
        subject=campaign,
        details={"rules": audit.state_of(campaign)},
    )
    if by is not None:
        add_members(campaign=campaign, users=[by], role=Membership.Role.MANAGER, by=by)
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER, by=by)
    return campaign


@transaction.atomic
def change_campaign(
    *, campaign: Campaign, labelers: Iterable[User] | None = None, by: User | None
) -> Campaign:
    """Save changed rules and, where they are given, exactly who labels."""
    before = audit.state_of(Campaign.objects.select_for_update().get(pk=campaign.pk))
    fields = [field.name for field in Campaign._meta.concrete_fields if field.name not in FIXED]
    campaign.save(update_fields=fields)
    changed = audit.differences(before, audit.state_of(campaign))
    if changed := {name: change for name, change in changed.items() if name not in FIXED}:
        audit.record(actor=by, act=Act.CAMPAIGN_CHANGED, subject=campaign, details=changed)
    if labelers is not None:
        set_labelers(campaign=campaign, users=labelers, by=by)
    return campaign


@transaction.atomic
def add_members(
    *, campaign: Campaign, users: Iterable[User], role: str, by: User | None = None
) -> None:
    """Give users a role; one who has a role in the campaign already keeps it."""
    # One change of members at a time, or the log would name an addition that lost a race.
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    known = set(campaign.memberships.values_list("user", flat=True))
    for user in {user.pk: user for user in users if user.pk not in known}.values():
        Membership.objects.create(campaign=campaign, user=user, role=role)
        audit.record(
            actor=by,
            act=Act.MEMBER_ADDED,
            subject=user,
            campaign=campaign,
            details={"role": str(role)},
        )


@transaction.atomic
def set_labelers(*, campaign: Campaign, users: Iterable[User], by: User | None = None) -> None:
    """Make exactly these users the campaign's labelers; reviewers and managers stay."""
    users = list(users)
    gone = campaign.memberships.filter(role=Membership.Role.LABELER).exclude(user__in=users)
    for membership in gone.select_related("user", "campaign"):
        remove_member(membership=membership, by=by)
    add_members(campaign=campaign, users=users, role=Membership.Role.LABELER, by=by)


@transaction.atomic
def remove_member(*, membership: Membership, by: User | None) -> None:
    """End somebody's part in a campaign; what they judged stays.

    Raises:
        NobodyWouldManage.
    """
    membership = _locked(membership)
    _check_managed_without(membership)
    audit.record(
        actor=by,
        act=Act.MEMBER_REMOVED,
        subject=membership.user,
        campaign=membership.campaign,
        details={"role": membership.role},
    )
    membership.delete()


@transaction.atomic
def change_role(*, membership: Membership, role: str, by: User | None) -> None:
    """Let a member do more or less than before.

    Raises:
        NobodyWouldManage.
    """
    membership = _locked(membership)
    before = membership.role
    if before == role:
        return
    _check_managed_without(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    audit.record(
        actor=by,
        act=Act.MEMBER_CHANGED,
        subject=membership.user,
        campaign=membership.campaign,
        details={"role": [before, str(role)]},
    )


def _locked(membership: Membership) -> Membership:
    """One change of a campaign's members at a time, or two managers could remove each other."""
    Campaign.objects.select_for_update(no_key=True).get(pk=membership.campaign_id)
    return Membership.objects.select_related("user", "campaign").get(pk=membership.pk)


def _check_managed_without(membership: Membership) -> None:
    managers = membership.campaign.memberships.filter(role=Membership.Role.MANAGER)
    if membership.role == Membership.Role.MANAGER and not managers.exclude(pk=membership.pk):
        raise errors.NobodyWouldManage


@transaction.atomic
def change_status(
    *, campaign: Campaign, to: str, by: User | None = None, now: datetime | None = None
) -> Campaign:
    """Open, pause or close a campaign."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    wanted = Status(to)
    if wanted == campaign.status:
        return campaign
    if wanted not in ALLOWED[Status(campaign.status)]:
        raise errors.TransitionRefused(
            _("A campaign with the state “%(before)s” can't get the state “%(wanted)s”.")
            % {"before": campaign.get_status_display(), "wanted": wanted.label}
        )
    if wanted == Status.OPEN:
        check_satisfiable(campaign, now or timezone.now())
    before, campaign.status = campaign.status, wanted
    campaign.save(update_fields=["status"])
    audit.record(
        actor=by, act=ACTS[wanted], subject=campaign, details={"status": [before, wanted.value]}
    )
    if campaign.gives_out_prompts and not campaign.entrants.exists():
        want_demonstrations(
            campaign=campaign, prompts=campaign.prompts.order_by("id"), offers={}, by=by
        )
    return campaign


def check_satisfiable(campaign: Campaign, now: datetime) -> None:
    """A campaign that nobody could finish is not opened.

    Raises:
        CampaignIncomplete: with the first reason.
    """
    for obstacle in obstacles(campaign, campaign.memberships.count(), now, to_open=True):
        raise errors.CampaignIncomplete(obstacle.why)


@transaction.atomic
def archive(*, campaign: Campaign, archived: bool, by: User | None, now: datetime) -> Campaign:
    """Put a closed campaign out of the way, or back among the others.

    Raises:
        TransitionRefused: it is not closed.
    """
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if campaign.status != Status.CLOSED:
        raise errors.TransitionRefused(_("Only a closed campaign can be archived; close it first."))
    campaign.archived_at = now if archived else None
    campaign.save(update_fields=["archived_at"])
    act = Act.CAMPAIGN_ARCHIVED if archived else Act.CAMPAIGN_RESTORED
    audit.record(actor=by, act=act, subject=campaign)
    return campaign


# Everything of a campaign but its name, its state and what has come of it.
NOT_CLONED = {"id", "name", "status", "created_by", "created_at", "archived_at", "deadline"}


@transaction.atomic
def clone_campaign(*, campaign: Campaign, by: User) -> Campaign:
    """A draft with the same question, rules, prompts, policies and people; no pairs, no answers.

    A deadline is not taken over: it belongs to the work that was to be done by then.
    """
    rules = {
        field.name: getattr(campaign, field.name)
        for field in Campaign._meta.concrete_fields
        if field.name not in NOT_CLONED
    }
    entrants = list(campaign.entrants.all())
    for entrant in entrants:
        entrant.pk, entrant._state.adding = None, True
    copy = create_campaign(
        campaign=Campaign(name=_free_name(campaign.name), **rules),
        by=by,
        prompts=campaign.prompts.all(),
        entrants=entrants,
    )
    _copy_plan(campaign, copy)
    for member in campaign.memberships.exclude(user=by).select_related("user"):
        add_members(campaign=copy, users=[member.user], role=member.role, by=by)
    audit.record(actor=by, act=Act.CAMPAIGN_CLONED, subject=campaign, details={"copy": copy.name})
    return copy


def _copy_plan(campaign: Campaign, copy: Campaign) -> None:
    entrants = {entrant.policy_id: entrant for entrant in copy.entrants.all()}
    plan = campaign.planned_meetings.filter(left_out_at__isnull=True)
    for line in plan.select_related("one", "other"):
        PlannedMeeting.objects.create(
            campaign=copy,
            one=entrants[line.one.policy_id],
            other=entrants[line.other.policy_id],
            one_temperature=line.one_temperature,
            other_temperature=line.other_temperature,
            pairs=line.pairs,
            weight=line.weight,
        )


def _free_name(name: str) -> str:
    longest = Campaign._meta.get_field("name").max_length or 120
    for number in count(2):
        ending = f" ({number})"
        wanted = name[: longest - len(ending)] + ending
        if not Campaign.objects.filter(name=wanted).exists():
            return wanted
    raise AssertionError("the numbers never end")
