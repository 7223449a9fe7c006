from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from labeling import errors
from labeling.models import Assignment, Campaign, Membership, User
from labeling.selectors.assignments import held_by, places_to_claim, to_show
from labeling.selectors.care import exposures, welcome_to

# Pairs one labeler holds in a campaign at most: so many answers go on without a network.
MOST_HELD = 24


@transaction.atomic
def claim_next(*, labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    """Reserve the next comparison for one labeler, or return None when none is left.

    A labeler who holds some already gets the oldest of them again, so that a second tab or a
    reload shows the same pair. Two labelers asking at once get different work: rows locked by the
    other are skipped.

    Raises:
        ExposureReached: there is work, but no more of this kind today.
    """
    if campaign.status != Campaign.Status.OPEN:
        return None
    take_turns(labeler)
    held = welcome_to(labeler, campaign, held_by(labeler, campaign))
    assignment = held.select_for_update(of=("self",)).first()
    if assignment is None:
        if _left_today(labeler, campaign, now) == 0:
            raise errors.ExposureReached
        assignment = _claimable(labeler, campaign, now)
    if assignment is None:
        return None
    _lease([assignment], labeler, _end(campaign, now))
    return to_show([assignment.pk]).get()


@transaction.atomic
def claim_ahead(
    *, labeler: User, campaign: Campaign, at_most: int, now: datetime
) -> list[Assignment]:
    """Everything this labeler holds, leased anew and topped up to so many pairs, oldest first.

    A page that reads ahead shows the next pair at once and goes on while the server is away. What
    is taken ahead leaves a slot for each other labeler of the campaign, so that nobody finds
    nothing to do because someone else's browser reads ahead.

    Raises:
        ExposureReached: nothing is held, and no more of this kind is given out today.
    """
    if campaign.status != Campaign.Status.OPEN:
        return []
    take_turns(labeler)
    welcome = welcome_to(labeler, campaign, held_by(labeler, campaign))
    held = list(welcome.select_for_update(of=("self",)))
    end = _end(campaign, now)
    _lease(held, labeler, end)

    wanted = min(at_most, MOST_HELD) - len(held)
    if wanted > 0 and (left := _left_today(labeler, campaign, now)) is not None:
        if not held and not left:
            raise errors.ExposureReached
        wanted = min(wanted, left)
    others = campaign.memberships.filter(role=Membership.Role.LABELER).exclude(user=labeler).count()
    if wanted > 0:
        free = _count_claimable(labeler, campaign, now, up_to=wanted + others)
        # Whoever holds nothing takes one in any case, as claim_next would.
        wanted = min(wanted, max(free - others, 0 if held else 1))
    # One by one: two free slots of one comparison must not both come to the same labeler.
    while wanted > 0 and (assignment := _claimable(labeler, campaign, now)):
        _lease([assignment], labeler, end)
        held.append(assignment)
        wanted -= 1
    return list(to_show([assignment.pk for assignment in held]))


def take_turns(labeler: User) -> None:
    """One labeler's requests queue up, else two tabs opened at once would take too much."""
    User.objects.select_for_update(no_key=True).get(pk=labeler.pk)


def _left_today(labeler: User, campaign: Campaign, now: datetime) -> int | None:
    """How many more pairs with content warnings this labeler gets today; None: as many as wanted.

    Held pairs count as seen. Whoever asks holds the labeler's turn, so no two requests share what
    is left.
    """
    if campaign.exposure_cap is None:
        return None
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(0, campaign.exposure_cap - exposures(labeler, today))


def _claimable(labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    for place in places_to_claim(labeler, campaign, now):
        found = place.select_for_update(skip_locked=True, of=("self",)).first()
        if found is not None:
            return found
    return None


def _count_claimable(labeler: User, campaign: Campaign, now: datetime, up_to: int) -> int:
    found = 0
    for place in places_to_claim(labeler, campaign, now):
        found = place[:up_to].count()
        if found == up_to:
            break
    return found


def _end(campaign: Campaign, now: datetime) -> datetime:
    return now + timedelta(minutes=campaign.lease_minutes)


def _lease(assignments: list[Assignment], labeler: User, until: datetime) -> None:
    Assignment.objects.filter(pk__in=[assignment.pk for assignment in assignments]).update(
        labeler=labeler, leased_until=until
    )


def release(*, assignment: Assignment, labeler: User) -> bool:
    """Give an unanswered comparison back, so that someone else can take it at once."""
    return bool(
        Assignment.objects.filter(
            pk=assignment.pk, labeler=labeler, answered_at__isnull=True
        ).update(labeler=None, leased_until=None)
    )


@transaction.atomic
def release_unused(*, labeler: User, campaign: Campaign, pks: list[int], until: datetime) -> int:
    """Give back what a page took ahead and leaves unused; returns how many pairs that were.

    `until` is the end of the leases as that page knew it. Where another page of the same labeler
    has leased a pair anew meanwhile, that page shows it, and it stays.
    """
    unused = held_by(labeler, campaign).filter(pk__in=pks, leased_until=until)
    # Locked before: an answer that is being stored at this moment must win.
    locked = [assignment.pk for assignment in unused.select_for_update(of=("self",))]
    return Assignment.objects.filter(pk__in=locked).update(labeler=None, leased_until=None)
