"""What labelers decide about what they see."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from labeling.models import Assignment, Campaign, OptOut, User
from labeling.selectors.assignments import held_by
from labeling.selectors.care import welcome_to
from labeling.services.assignments import free, take_turns


@transaction.atomic
def set_opt_outs(*, labeler: User, categories: Iterable[str], now: datetime) -> None:
    """Opt out of exactly these categories; what is held of them goes back to others at once."""
    take_turns(labeler)
    OptOut.objects.filter(labeler=labeler).exclude(
        category__in=(wanted := set(categories))
    ).delete()
    OptOut.objects.bulk_create(
        [OptOut(labeler=labeler, category=category) for category in sorted(wanted)],
        ignore_conflicts=True,  # those of before stay
    )
    holding = Campaign.objects.filter(
        pk__in=Assignment.objects.filter(labeler=labeler, answered_at__isnull=True).values(
            "campaign"
        )
    )
    for campaign in holding:
        held = held_by(labeler, campaign)
        # Locked before: an answer that is being stored at this moment must win.
        locked = [slot.pk for slot in held.select_for_update(of=("self",))]
        kept = welcome_to(labeler, campaign, held).values("pk")
        unwelcome = Assignment.objects.filter(pk__in=locked, answered_at__isnull=True).exclude(
            pk__in=list(kept.values_list("pk", flat=True))
        )
        free(unwelcome, now)
