"""What a campaign's answers cost: always counted from its assignments."""

from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet, Sum

from labeling.models import Assignment, Campaign, SpendingMark


def _total(assignments: QuerySet[Assignment]) -> Decimal:
    return assignments.aggregate(total=Sum("price"))["total"] or Decimal(0)


def answered_between(
    campaign: Campaign, after: datetime | None, up_to: datetime | None
) -> QuerySet[Assignment]:
    answered = Assignment.objects.filter(campaign=campaign, answered_at__isnull=False)
    if after is not None:
        answered = answered.filter(answered_at__gt=after)
    return answered if up_to is None else answered.filter(answered_at__lte=up_to)


def spent(campaign: Campaign) -> Decimal:
    """What the answers of a campaign cost so far, those taken back included: they were work."""
    mark = SpendingMark.objects.filter(campaign=campaign).first()
    if mark is None:
        return _total(answered_between(campaign, None, None))
    return mark.amount + _total(answered_between(campaign, mark.up_to, None))


def spent_up_to(campaign: Campaign, moment: datetime) -> Decimal:
    return _total(answered_between(campaign, None, moment))


def spent_between(campaign: Campaign, after: datetime, up_to: datetime) -> Decimal:
    return _total(answered_between(campaign, after, up_to))


def promised(campaign: Campaign) -> Decimal:
    """What the pairs that labelers hold will cost; a lease that ran out can still be answered."""
    return _total(
        Assignment.objects.filter(
            campaign=campaign, answered_at__isnull=True, labeler__isnull=False
        )
    )
