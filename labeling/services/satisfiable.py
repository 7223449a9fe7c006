"""A campaign that nobody could finish is not made and not opened: here is why one can't be."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.models import Campaign
from labeling.selectors.quality import gold_of


@dataclass(frozen=True)
class Obstacle:
    """Why a campaign can't be finished as it is, and the field of its form that mends it."""

    field: str
    why: str


def obstacles(
    campaign: Campaign, members: int, now: datetime, *, to_open: bool = False
) -> list[Obstacle]:
    """What stands in the way of a campaign with these rules and so many members.

    Gold is added to a draft, so it is missed only where the campaign is open or is `to_open`.
    """
    needs_gold = to_open or campaign.status == Campaign.Status.OPEN
    found = [
        _too_few_people(campaign, members),
        _too_little_money(campaign),
        _too_late(campaign, now),
        _gold_without_answers(campaign) if needs_gold else None,
        _test_without_questions(campaign) if needs_gold else None,
    ]
    return [obstacle for obstacle in found if obstacle is not None]


def _too_few_people(campaign: Campaign, members: int) -> Obstacle | None:
    if members >= campaign.overlap:
        return None
    why = ngettext(
        "Each pair needs %(overlap)d different labelers, but the campaign has %(members)d member; "
        "add members or lower the overlap.",
        "Each pair needs %(overlap)d different labelers, but the campaign has %(members)d members; "
        "add members or lower the overlap.",
        members,
    )
    return Obstacle("overlap", why % {"overlap": campaign.overlap, "members": members})


def _too_little_money(campaign: Campaign) -> Obstacle | None:
    if campaign.budget is None or campaign.price is None:
        return None
    pair = Decimal(campaign.price) * campaign.overlap
    if campaign.budget >= pair:
        return None
    why = _(
        "One pair costs %(pair)s (%(overlap)d judgments at %(price)s), more than the budget; raise "
        "the budget, or lower the price or the overlap."
    )
    return Obstacle(
        "budget",
        why % {"pair": f"{pair:f}", "overlap": campaign.overlap, "price": f"{campaign.price:f}"},
    )


def _too_late(campaign: Campaign, now: datetime) -> Obstacle | None:
    if not campaign.is_over(now):
        return None
    return Obstacle(
        "deadline", _("The deadline has passed: nothing would be given out. Set a later one.")
    )


def _gold_without_answers(campaign: Campaign) -> Obstacle | None:
    if not campaign.gold_share or gold_of(campaign, ("silent", "attention")).exists():
        return None
    why = _(
        "Gold questions are to be mixed in, but the campaign has none with an answer; add some "
        "under Quality, or leave the share empty."
    )
    return Obstacle("gold_share", why)


def _test_without_questions(campaign: Campaign) -> Obstacle | None:
    tested = campaign.pass_share is not None and not campaign.probation_pairs
    if not tested or gold_of(campaign, ("test",)).exists():
        return None
    why = _(
        "A test is to be passed, but the campaign has no question for it; add some under Quality, "
        "or leave the share empty."
    )
    return Obstacle("pass_share", why)
