"""What a campaign's answers cost: always counted from its slots, of pairs and of prompts."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Q, Sum

from labeling.models import Assignment, Campaign, DemonstrationSlot, SpendingMark


def _total(campaign: Campaign, which: Q) -> Decimal:
    """The prices of those of a campaign's slots together."""
    sums = [
        slots.objects.filter(which, campaign=campaign).aggregate(total=Sum("price"))["total"]
        for slots in (Assignment, DemonstrationSlot)
    ]
    return sum((found for found in sums if found is not None), Decimal(0))


def _answered(after: datetime | None, up_to: datetime | None) -> Q:
    answered = Q(answered_at__isnull=False)
    if after is not None:
        answered &= Q(answered_at__gt=after)
    return answered if up_to is None else answered & Q(answered_at__lte=up_to)


def spent(campaign: Campaign) -> Decimal:
    """What the answers of a campaign cost so far, those taken back included: they were work."""
    mark = SpendingMark.objects.filter(campaign=campaign).first()
    if mark is None:
        return _total(campaign, _answered(None, None))
    return mark.amount + _total(campaign, _answered(mark.up_to, None))


def spent_up_to(campaign: Campaign, moment: datetime) -> Decimal:
    return _total(campaign, _answered(None, moment))


def spent_between(campaign: Campaign, after: datetime, up_to: datetime) -> Decimal:
    return _total(campaign, _answered(after, up_to))


def promised(campaign: Campaign) -> Decimal:
    """What is held will cost; a lease that ran out can still be answered."""
    return _total(campaign, Q(answered_at__isnull=True, labeler__isnull=False))
