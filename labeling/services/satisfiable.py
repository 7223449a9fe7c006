"""A campaign that nobody could finish is not made and not opened: here is why one can't be."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.models import Campaign


@dataclass(frozen=True)
class Obstacle:
    """Why a campaign can't be finished as it is, and the field of its form that mends it."""

    field: str
    why: str


def obstacles(campaign: Campaign, members: int, now: datetime) -> list[Obstacle]:
    """What stands in the way of a campaign with these rules and so many members."""
    found = [
        _too_few_people(campaign, members),
        _too_little_money(campaign),
        _too_late(campaign, now),
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
