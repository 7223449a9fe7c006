"""Near-duplicates among a campaign's prompts: left out before they are asked, and taken back."""

from django.db import transaction

from labeling import errors
from labeling.models import Act, Campaign, Judgment, Report, User
from labeling.selectors.prompts import spare_prompts
from labeling.services import audit
from labeling.services.reports import request_report


@transaction.atomic
def leave_out(*, campaign: Campaign, by: User) -> int:
    """Keep one prompt of each group of near-duplicates; what is asked already always stays.

    Returns:
        How many prompts were left out.

    Raises:
        NothingToLeaveOut.
    """
    _take_turns(campaign)
    spare = spare_prompts(campaign).prompts
    if not spare:
        raise errors.NothingToLeaveOut
    campaign.left_out.add(*spare)
    campaign.prompts.remove(*spare)
    _tell(campaign, Act.PROMPTS_LEFT_OUT, spare, by)
    return len(spare)


@transaction.atomic
def take_back(*, campaign: Campaign, by: User) -> int:
    """Ask again what was left out.

    Returns:
        How many prompts came back.
    """
    _take_turns(campaign)
    back = list(campaign.left_out.order_by("id").values_list("pk", flat=True))
    if back:
        campaign.prompts.add(*back)
        campaign.left_out.clear()
        _tell(campaign, Act.PROMPTS_TAKEN_BACK, back, by)
    return len(back)


def _take_turns(campaign: Campaign) -> None:
    """Two clicks at once act once."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)


def _tell(campaign: Campaign, act: Act, prompts: list[int], by: User) -> None:
    audit.record(
        actor=by, act=act, subject=campaign, campaign=campaign, details={"prompts": prompts}
    )
    request_report(
        campaign=campaign,
        subject=Report.Subject.PROMPTS,
        judges=Judgment.JudgeKind.PERSON,
        by=by,
    )
