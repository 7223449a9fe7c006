from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from labeling import errors
from labeling.models import Assignment, Campaign, Comparison, Membership, Search, User
from labeling.selectors.assignments import (
    count_claimable,
    held_by,
    kept_out,
    newest_settled,
    quick_looks,
    search_before,
    to_show,
    whole_search,
)
from labeling.selectors.care import welcome_to
from labeling.services.allowances import allowance
from labeling.services.checks import admitted, draw_check, next_test

# Pairs one labeler holds in a campaign at most: so many answers go on without a network.
MOST_HELD = 24


@transaction.atomic
def claim_next(*, labeler: User, campaign: Campaign, now: datetime) -> Assignment | None:
    """Reserve the next comparison for one labeler, or return None when none is left.

    A labeler who holds some already gets the oldest of them again, so that a second tab or a
    reload shows the same pair. Two labelers asking at once get different work: rows locked by the
    other are skipped.

    Raises:
        NothingNow: there may be work, but the campaign's rules give this labeler none of it now.
    """
    if not campaign.gives_out_pairs:
        return None
    commit_without_waiting()
    take_turns(labeler)
    welcome = welcome_to(labeler, campaign, held_by(labeler, campaign))
    assignment = welcome.select_for_update(of=("self",)).first()
    if assignment is None:
        works = admitted(labeler, campaign, now)
        allowed = allowance(labeler, campaign, now)
        if allowed.pairs:
            assignment = _take(labeler, campaign, now, fresh=allowed.fresh > 0, works=works)
        if assignment is None and not allowed.fresh:
            raise allowed.refusal
    if assignment is None:
        return None
    lease(assignment, labeler, campaign, now)
    return to_show(campaign, [assignment.pk])[0]


@transaction.atomic
def claim_ahead(
    *, labeler: User, campaign: Campaign, at_most: int, now: datetime
) -> list[Assignment]:
    """Everything this labeler holds, leased anew and topped up to so many pairs, oldest first.

    A page that reads ahead shows the next pair at once and goes on while the server is away. What
    is taken ahead leaves a slot for each other labeler of the campaign, so that nobody finds
    nothing to do because someone else's browser reads ahead.

    Raises:
        NothingNow: nothing is held, and the campaign's rules give out no more now.
    """
    if not campaign.gives_out_pairs:
        return []
    commit_without_waiting()
    take_turns(labeler)
    held = _held_anew(labeler, campaign, now)
    try:
        works = admitted(labeler, campaign, now)
    except errors.NothingNow:
        if not held:
            raise
        return to_show(campaign, [assignment.pk for assignment in held])
    allowed = allowance(labeler, campaign, now)
    # A test is taken one by one: what explains an answer is read before the next question.
    wanted = (min(at_most, MOST_HELD) if works else 1) - len(held)
    wanted = min(wanted, allowed.pairs)
    if wanted > 0:
        wanted = _spared(labeler, campaign, now, wanted, holds_nothing=not held)
        held += _several(labeler, campaign, now, wanted, fresh=allowed.fresh, works=works)
    if not held and not allowed.fresh:
        raise allowed.refusal
    return to_show(campaign, [assignment.pk for assignment in held])


def commit_without_waiting() -> None:
    """Let the claim's transaction end before its log is on the disk, which takes milliseconds.

    A lease that is lost with the machine costs no answer: it is taken anew, or the answer is used
    in another slot. Within a transaction of somebody else's, whose work may be dearer, it waits.
    """
    if not connection.savepoint_ids:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


def take_turns(labeler: User) -> None:
    """One labeler's requests queue up, else two tabs opened at once would take too much."""
    User.objects.select_for_update(no_key=True).values_list("pk").get(pk=labeler.pk)


def _held_anew(labeler: User, campaign: Campaign, now: datetime) -> list[Assignment]:
    """What the labeler holds, oldest first, locked, with leases that begin now."""
    welcome = welcome_to(labeler, campaign, held_by(labeler, campaign))
    held = list(welcome.select_for_update(of=("self",)))
    Assignment.objects.filter(pk__in=[assignment.pk for assignment in held]).update(
        leased_until=now + campaign.lease
    )
    return held


def _spared(
    labeler: User, campaign: Campaign, now: datetime, wanted: int, *, holds_nothing: bool
) -> int:
    """How many of so many may be taken ahead while a slot stays for each other labeler."""
    others = campaign.memberships.filter(role=Membership.Role.LABELER).exclude(user=labeler).count()
    free = count_claimable(labeler, campaign, now, up_to=wanted + others)
    if free < wanted + others:
        remember_search(labeler, campaign, now)
    # Whoever holds nothing takes one in any case, as claim_next would.
    return min(wanted, max(free - others, int(holds_nothing)))


def _several(
    labeler: User, campaign: Campaign, now: datetime, wanted: int, *, fresh: int, works: bool
) -> list[Assignment]:
    """At most so many pairs, leased; of slots that nobody held, and of checks, only `fresh`.

    One by one: two free slots of one comparison must not both come to the same labeler.
    """
    taken: list[Assignment] = []
    while len(taken) < wanted and (
        assignment := _take(labeler, campaign, now, fresh=fresh > 0, works=works)
    ):
        fresh -= assignment.labeler_id is None or assignment.purpose != Assignment.Purpose.DATA
        lease(assignment, labeler, campaign, now)
        taken.append(assignment)
    return taken


def _take(
    labeler: User, campaign: Campaign, now: datetime, *, fresh: bool, works: bool
) -> Assignment | None:
    """The next pair: a question of the test, now and then a check, else an open slot."""
    if not works:
        return next_test(labeler, campaign, now) if fresh else None
    check = draw_check(labeler, campaign, now) if fresh else None
    return check or _claimable(labeler, campaign, now, fresh=fresh)


def _claimable(
    labeler: User, campaign: Campaign, now: datetime, *, fresh: bool
) -> Assignment | None:
    """The next slot, locked; without `fresh`, only one that somebody held whose lease ran out."""
    for looks in (quick_looks, _remembered_search):
        for place in looks(labeler, campaign, now):
            if not fresh:
                place = place.filter(labeler__isnull=False)
            found = place.select_for_update(skip_locked=True, of=("self",)).first()
            if found is not None:
                return found
    return None


def _remembered_search(
    labeler: User, campaign: Campaign, now: datetime
) -> Iterator[QuerySet[Assignment]]:
    """A whole search that the next one goes on from."""
    remember_search(labeler, campaign, now)
    yield from whole_search(labeler, campaign, now)


def remember_search(labeler: User, campaign: Campaign, now: datetime) -> None:
    """Note up to where nothing is for this labeler; whoever asks holds the labeler's turn.

    Without locks and their SKIP LOCKED: a slot that another request has locked at this moment may
    be free again when that request fails, so it must not count as walked over.
    """
    *freed, rest = whole_search(labeler, campaign, now)
    up_to = newest_settled(campaign, now)
    first = rest.values_list("pk", flat=True).first()
    if up_to is not None and first is not None:
        up_to = min(up_to, first - 1)
    before = search_before(labeler, campaign)
    if before is not None:
        up_to = max(before.up_to, up_to or 0)
    if up_to is None:
        return
    still_there = before is not None and any(place.exists() for place in freed)
    Search.objects.update_or_create(
        labeler=labeler,
        campaign=campaign,
        defaults={
            "up_to": up_to,
            "at": before.at if before is not None and still_there else now,
            "without": kept_out(labeler, campaign),
        },
    )


def lease(assignment: Assignment, labeler: User, campaign: Campaign, now: datetime) -> None:
    """Give a slot, whose row is locked, to a labeler."""
    if assignment.labeler_id is None:  # else it costs what was promised: no money is promised twice
        assignment.price = campaign.price
    elif assignment.labeler_id != labeler.pk:
        assignment.freed_at = now
    assignment.labeler, assignment.leased_until = labeler, now + campaign.lease
    assignment.save(update_fields=["labeler", "leased_until", "freed_at", "price"])


def release(*, assignment: Assignment, labeler: User, now: datetime) -> bool:
    """Give an unanswered comparison back, so that someone else can take it at once.

    A check stays with its labeler, for whom alone it was made.
    """
    held = Assignment.objects.filter(
        pk=assignment.pk,
        labeler=labeler,
        answered_at__isnull=True,
        purpose=Assignment.Purpose.DATA,
    )
    return bool(free(held, now))


@transaction.atomic
def release_unused(
    *, labeler: User, campaign: Campaign, pks: list[int], until: datetime, now: datetime
) -> int:
    """Give back what a page took ahead and leaves unused; returns how many pairs that were.

    `until` is the end of the leases as that page knew it. Where another page of the same labeler
    has leased a pair anew meanwhile, that page shows it, and it stays.
    """
    unused = held_by(labeler, campaign).filter(
        pk__in=pks, leased_until=until, purpose=Assignment.Purpose.DATA
    )
    # Locked before: an answer that is being stored at this moment must win.
    locked = [assignment.pk for assignment in unused.select_for_update(of=("self",))]
    return free(Assignment.objects.filter(pk__in=locked), now)


def free(slots: QuerySet[Assignment], now: datetime) -> int:
    """Take unanswered slots from whoever holds them; returns how many those are."""
    return slots.update(labeler=None, leased_until=None, freed_at=now)


def stand_in_for(withdrawn: Sequence[Assignment]) -> None:
    """A new slot for each whose answer was taken back, with the same sides, open to others.

    Overlap and balance stay exact; at most one of a comparison is given.
    """
    pairs = sorted(slot.comparison_id for slot in withdrawn)
    # Two answers to one comparison taken back at once must not both become the same slot.
    list(
        Comparison.objects.select_for_update(no_key=True)
        .filter(pk__in=pairs)
        .order_by("pk")
        .values_list("pk")
    )
    last = dict(
        Assignment.objects.filter(comparison__in=pairs)
        .values_list("comparison")
        .annotate(last=Max("slot"))
        .order_by()
    )
    Assignment.objects.bulk_create(
        Assignment(
            comparison_id=slot.comparison_id,
            campaign_id=slot.campaign_id,
            slot=last[slot.comparison_id] + 1,
            first_on_left=slot.first_on_left,
            shown_order=slot.shown_order,
            freed_at=slot.withdrawn_at,
        )
        for slot in withdrawn
    )
