"""How much a labeler may still take of a campaign: by the day, the budget and the deadline."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Campaign, DemonstrationSlot, SpendingMark, User
from labeling.selectors.care import exposures
from labeling.selectors.spending import promised, spent, spent_between, spent_up_to

MANY = 10**6  # pairs: more than anybody takes
# Longer than a request takes, so that every answer of so long ago is seen.
SETTLED = timedelta(minutes=10)
# A mark this old is set anew: between two of them lies what one claim adds up.
MARKED = timedelta(minutes=30)


@dataclass(frozen=True)
class Allowance:
    """What a labeler may take at this moment, and the refusal to whoever wants more."""

    pairs: int  # in all
    fresh: int  # of them, those for which nobody was promised money before
    refusal: type[errors.NothingNow]


def allowance(labeler: User, campaign: Campaign, now: datetime) -> Allowance:
    """How much this labeler may take; whoever asks holds the labeler's turn.

    With a budget, claims of one campaign queue up here until their transaction ends, so that no
    two of them promise the same money.
    """
    if campaign.is_over(now):
        return Allowance(0, 0, errors.DeadlinePassed)
    limits = [(MANY, errors.NothingNow)]
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if campaign.exposure_cap is not None:
        left = campaign.exposure_cap - exposures(labeler, today)
        limits.append((left, errors.ExposureReached))
    if campaign.daily_quota is not None:
        limits.append(
            (campaign.daily_quota - _taken(labeler, campaign, today), errors.QuotaReached)
        )
    pairs, refusal = min(limits, key=lambda limit: limit[0])
    fresh = affordable(campaign, now)
    if 0 == fresh < pairs:
        refusal = errors.BudgetSpent
    return Allowance(max(0, pairs), min(max(0, pairs), fresh), refusal)


def _taken(labeler: User, campaign: Campaign, since: datetime) -> int:
    """Pairs and prompts of the campaign that a labeler answered since, or holds."""
    own = {"labeler": labeler, "campaign": campaign}
    done = Q(answered_at__gte=since) | Q(answered_at__isnull=True)
    return (
        Assignment.objects.filter(done, **own).count()
        + DemonstrationSlot.objects.filter(done, **own).count()
    )


def affordable(campaign: Campaign, now: datetime) -> int:
    """How many more judgments the budget pays for; holds the campaign if it has one.

    What it costs does not grow with what was answered: sums over the settled past are kept.
    """
    if campaign.budget is None or not campaign.price:
        return MANY
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    _mark(campaign, now)
    left = campaign.budget - spent(campaign) - promised(campaign)
    return max(0, int(left // campaign.price))


def _mark(campaign: Campaign, now: datetime) -> None:
    """Keep the sum over the past, once more of it has settled; whoever calls holds the campaign."""
    mark = SpendingMark.objects.filter(campaign=campaign).first()
    up_to = now - SETTLED
    if mark is None:
        SpendingMark.objects.create(
            campaign=campaign, up_to=up_to, amount=spent_up_to(campaign, up_to)
        )
    elif up_to - mark.up_to > MARKED:
        mark.amount += spent_between(campaign, mark.up_to, up_to)
        mark.up_to = up_to
        mark.save(update_fields=["amount", "up_to"])
