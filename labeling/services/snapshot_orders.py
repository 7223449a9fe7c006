"""Snapshots that take long: ordered by a page, made by a worker."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling import errors
from labeling.languages import speaking_to
from labeling.models import Campaign, SnapshotOrder, User
from labeling.services.snapshots import take_snapshot


def order_snapshot(
    *, campaign: Campaign, kinds: Sequence[str], method: str, by: User | None
) -> SnapshotOrder:
    """Ask for a snapshot whose labels are aggregated by a method.

    Raises:
        OrderUnderWay.
    """
    try:
        with transaction.atomic():
            order = SnapshotOrder.objects.create(
                campaign=campaign, judge_kinds=sorted(kinds), method=method, requested_by=by
            )
    except IntegrityError:
        raise errors.OrderUnderWay from None
    order.enqueue()
    return order


def fulfil(order: SnapshotOrder) -> None:
    """Make the snapshot of an order that was claimed, or write down why there is none."""
    try:
        with speaking_to(order.requested_by):  # who reads why there is none
            snapshot = take_snapshot(
                campaign=order.campaign,
                kinds=order.judge_kinds,
                method=order.method,
                by=order.requested_by,
            )
    except errors.Refused as refusal:
        order.ended(timezone.now(), status=SnapshotOrder.Status.FAILED, error=str(refusal))
    except Exception as problem:
        told = f"{type(problem).__name__}: {problem}"
        order.ended(timezone.now(), status=SnapshotOrder.Status.FAILED, error=told)
        raise
    else:
        order.ended(timezone.now(), status=SnapshotOrder.Status.DONE, snapshot=snapshot)
