"""What a campaign's answers cost: always counted from its slots, of pairs and of prompts."""

from datetime import datetime
from decimal import Decimal

from django.db.models import Q, Sum

from labeling.models import Assignment, Campaign, DemonstrationSlot, SpendingMark, Tally


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


def spent_by_tallies(campaign: Campaign) -> Decimal:
    """The same from tallies, for pages: quick however much was answered, and without a mark."""
    judged = Tally.objects.filter(campaign=campaign).aggregate(total=Sum("cost"))["total"]
    written = DemonstrationSlot.objects.filter(
        campaign=campaign, answered_at__isnull=False
    ).aggregate(total=Sum("price"))["total"]
    return (judged or Decimal(0)) + (written or Decimal(0))


def spent_up_to(campaign: Campaign, moment: datetime) -> Decimal:
    return _total(campaign, _answered(None, moment))


def spent_between(campaign: Campaign, after: datetime, up_to: datetime) -> Decimal:
    return _total(campaign, _answered(after, up_to))


def promised(campaign: Campaign) -> Decimal:
    """What is held will cost; a lease that ran out can still be answered."""
    # Whoever holds something has a lease: so PostgreSQL walks what is held, not all that is open.
    held = Q(labeler__isnull=False, leased_until__isnull=False)
    return _total(campaign, held & Q(answered_at__isnull=True))
