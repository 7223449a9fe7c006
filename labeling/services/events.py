"""Telling others what happened: written down with the event, delivered later."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from labeling.models import (
    Assignment,
    Campaign,
    Comparison,
    Delivery,
    EventKind,
    Judgment,
    MailWish,
    Membership,
    Webhook,
)
from labeling.models.events import MAILED, deliver_soon


def announce(
    kind: str, campaign: Campaign | None, data: dict[str, Any], now: datetime, path: str = ""
) -> None:
    """Tell whoever wants to know; called in the transaction of what happened.

    Args:
        campaign: in which it happened; None: in none, and only those who hear of all are told.
        data: what happened, as JSON can hold it.
        path: of the page about it.
    """
    _tell(_webhooks(campaign), kind, campaign, data, now, path)


def _tell(
    webhooks: Iterable[Webhook],
    kind: str,
    campaign: Campaign | None,
    data: dict[str, Any],
    now: datetime,
    path: str = "",
) -> None:
    hearers = [Delivery(webhook=webhook) for webhook in webhooks if kind in webhook.kinds]
    if kind in MAILED and settings.MAIL_IS_SENT:
        hearers += [Delivery(reader_id=user) for user in _readers(kind, campaign)]
    if not hearers:
        return
    event = uuid.uuid4()
    payload = {
        "id": str(event),
        "event": str(kind),
        "at": now.isoformat(),
        "campaign": campaign and {"id": campaign.pk, "name": campaign.name},
        "data": data,
        "url": f"{settings.PUBLIC_URL}{path}" if path else "",
    }
    for delivery in hearers:
        delivery.event, delivery.kind, delivery.payload = event, kind, payload
        delivery.due_at = now
    Delivery.objects.bulk_create(hearers)
    deliver_soon()


def _webhooks(campaign: Campaign | None) -> list[Webhook]:
    """Those that hear of a campaign, whatever they want to hear of it."""
    own = Q(campaign__isnull=True) | Q(campaign=campaign)
    return list(Webhook.objects.filter(own, active=True))


def _readers(kind: str, campaign: Campaign | None) -> Iterable[int]:
    """Who manages the campaign, and who steers training, as far as they wish for letters."""
    managers = Membership.objects.filter(campaign=campaign, role=Membership.Role.MANAGER)
    concerned = (
        Q(user__in=managers.values("user")) | Q(user__is_engineer=True) | Q(user__is_superuser=True)
    )
    wishes = MailWish.objects.filter(concerned, kind=kind, user__is_active=True)
    return wishes.exclude(user__email="").values_list("user", flat=True)


def announce_judgment(judgment: Judgment, now: datetime) -> None:
    """Of a labeler, by what is sent also to be changed or taken back; never who it was by name."""
    _tell_judgment(_webhooks(judgment.comparison.campaign), judgment, now)


def announce_answer(judgment: Judgment, now: datetime) -> None:
    """A judgment that settled its slot, and its pair where it was the last one wanted."""
    webhooks = _webhooks(judgment.comparison.campaign)
    _tell_judgment(webhooks, judgment, now)
    if judgment.purpose == Assignment.Purpose.DATA:
        _tell_if_complete(webhooks, judgment.comparison, now)


def _tell_judgment(webhooks: list[Webhook], judgment: Judgment, now: datetime) -> None:
    comparison = judgment.comparison
    _tell(
        webhooks,
        EventKind.JUDGMENT,
        comparison.campaign,
        {
            "judgment": judgment.pk,
            "comparison": comparison.pk,
            "labeler": judgment.labeler_id,
            "judged_by": judgment.judge_kind,
            "purpose": judgment.purpose,
            "preference": judgment.preference,
            "equal": judgment.equal,
            "supersedes": judgment.supersedes_id,
            "retracted": judgment.retracted,
        },
        now,
    )


def _tell_if_complete(webhooks: list[Webhook], comparison: Comparison, now: datetime) -> None:
    if not any(EventKind.COMPARISON in webhook.kinds for webhook in webhooks):
        return
    # Of two labelers who give the last two judgments at once, the later one sees both.
    Comparison.objects.select_for_update(no_key=True).get(pk=comparison.pk)
    wanted = Assignment.objects.filter(
        comparison=comparison, purpose=Assignment.Purpose.DATA, withdrawn_at__isnull=True
    )
    if wanted.filter(answered_at__isnull=True).exists():
        return
    _tell(
        webhooks,
        EventKind.COMPARISON,
        comparison.campaign,
        {"comparison": comparison.pk, "judgments": wanted.count()},
        now,
    )
