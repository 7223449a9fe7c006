from collections.abc import Iterable

from django.db import transaction

from labeling import errors
from labeling.models import Campaign, CampaignPolicy, Membership, Prompt, User

Status = Campaign.Status

ALLOWED = {
    Status.DRAFT: {Status.OPEN},
    Status.OPEN: {Status.PAUSED, Status.CLOSED},
    Status.PAUSED: {Status.OPEN, Status.CLOSED},
    Status.CLOSED: set(),
}


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
    if by is not None:
        add_members(campaign=campaign, users=[by], role=Membership.Role.MANAGER)
    add_members(campaign=campaign, users=labelers, role=Membership.Role.LABELER)
    return campaign


def add_members(*, campaign: Campaign, users: Iterable[User], role: str) -> None:
    """Give users a role; one who has a role in the campaign already keeps it."""
    Membership.objects.bulk_create(
        [Membership(campaign=campaign, user=user, role=role) for user in users],
        ignore_conflicts=True,
    )


@transaction.atomic
def set_labelers(*, campaign: Campaign, users: Iterable[User]) -> None:
    """Make exactly these users the campaign's labelers; reviewers and managers stay."""
    users = list(users)
    Membership.objects.filter(campaign=campaign, role=Membership.Role.LABELER).exclude(
        user__in=users
    ).delete()
    add_members(campaign=campaign, users=users, role=Membership.Role.LABELER)


@transaction.atomic
def change_status(*, campaign: Campaign, to: str) -> Campaign:
    """Open, pause or close a campaign."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    wanted = Status(to)
    if wanted == campaign.status:
        return campaign
    if wanted not in ALLOWED[Status(campaign.status)]:
        raise errors.TransitionRefused(
            f"A campaign that is {campaign.status} can't become {wanted.value}."
        )
    if wanted == Status.OPEN:
        _check_satisfiable(campaign)
    campaign.status = wanted
    campaign.save(update_fields=["status"])
    return campaign


def _check_satisfiable(campaign: Campaign) -> None:
    """A campaign that nobody could finish is not opened."""
    labelers = campaign.memberships.count()
    if labelers < campaign.overlap:
        raise errors.CampaignIncomplete(
            f"Each pair needs {campaign.overlap} different labelers, but the campaign has "
            f"{labelers} members; add members or lower the overlap."
        )
