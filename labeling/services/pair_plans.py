"""Which policies meet on a campaign's prompts, and how often."""

from datetime import datetime

from django.db import transaction

from labeling import errors
from labeling.models import Act, Campaign, CampaignPolicy, PlannedMeeting, User
from labeling.services import audit


@transaction.atomic
def enter(*, entrant: CampaignPolicy, by: User) -> CampaignPolicy:
    """Let one more policy answer in a campaign.

    Raises:
        TakesPartAlready.
    """
    Campaign.objects.select_for_update(no_key=True).get(pk=entrant.campaign_id)
    if entrant.campaign.entrants.filter(policy=entrant.policy).exists():
        raise errors.TakesPartAlready
    entrant.save()
    audit.record(
        actor=by,
        act=Act.POLICY_ENTERED,
        subject=entrant.policy,
        campaign=entrant.campaign,
        details=audit.state_of(entrant),
    )
    return entrant


@transaction.atomic
def plan_meeting(*, meeting: PlannedMeeting, by: User) -> PlannedMeeting:
    """Add a line to a campaign's plan; prompts that are asked from now on follow it.

    Raises:
        NoPlanHere: only pairs are planned.
    """
    if meeting.campaign.kind != Campaign.Kind.COMPARISON:
        raise errors.NoPlanHere
    meeting.save()
    audit.record(
        actor=by,
        act=Act.PLAN_EXTENDED,
        subject=meeting,
        details=audit.state_of(meeting),
    )
    return meeting


@transaction.atomic
def leave_out(*, meeting: PlannedMeeting, by: User, now: datetime) -> None:
    """Take a line out of the plan; what was made by it stays."""
    going = PlannedMeeting.objects.filter(pk=meeting.pk, left_out_at__isnull=True)
    if going.update(left_out_at=now):
        audit.record(actor=by, act=Act.PLAN_SHORTENED, subject=meeting)


CHOICE = ["pair_choice", "control_share", "chosen_pairs"]


@transaction.atomic
def set_choice(*, campaign: Campaign, by: User) -> Campaign:
    """Choose pairs by the rule that the campaign holds now; for prompts that are asked from now on.

    Raises:
        NoPlanHere: only pairs are chosen.
    """
    if campaign.kind != Campaign.Kind.COMPARISON:
        raise errors.NoPlanHere
    before = audit.state_of(Campaign.objects.select_for_update().get(pk=campaign.pk), CHOICE)
    campaign.save(update_fields=CHOICE)
    if changed := audit.differences(before, audit.state_of(campaign, CHOICE)):
        audit.record(actor=by, act=Act.CHOICE_SET, subject=campaign, details=changed)
    return campaign
