"""Delivering events to webhooks and readers, again and again until it is given up."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from labeling import outbound
from labeling.languages import speaking_to
from labeling.models import Act, Delivery, DeliveryAttempt, EventKind, User, Webhook
from labeling.models.events import PAUSES, deliver_soon
from labeling.sayings import SWITCHED_OFF, said
from labeling.services import audit

AT_ONCE = 50
LEASE = timedelta(minutes=10)  # longer than a batch of deliveries that all run into the time limit

KEPT = timedelta(days=30)  # in the log

Status = Delivery.Status
Post = Callable[..., outbound.Answer]


def secret_of(webhook: Webhook) -> str:
    """By which the webhook's receiver knows that it is us."""
    return salted_hmac("labeling.webhook", str(webhook.key), algorithm="sha256").hexdigest()


def signature(secret: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 over "time.body": what an eavesdropper repeats later has an old time."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def headers_of(webhook: Webhook, delivery: Delivery, body: bytes, at: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "Accord-Webhook/1",
        "Accord-Event": delivery.kind,
        "Accord-Delivery": str(delivery.event),
        "Accord-Signature": f"t={at},v1={signature(secret_of(webhook), at, body)}",
    }


def deliver_due(*, now: datetime, post: Post = outbound.post) -> int:
    """Try what is due; returns how many attempts were made."""
    due = _claim(now)
    for delivery in due:
        _attempt(delivery, now, post)
    return len(due)


@transaction.atomic
def _claim(now: datetime) -> list[Delivery]:
    """Due deliveries, leased, so that two workers never tell the same twice at once."""
    due = list(
        Delivery.objects.filter(status=Status.QUEUED, due_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("webhook", "reader")
        .order_by("due_at", "id")[:AT_ONCE]
    )
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in due]).update(due_at=now + LEASE)
    return due


def _attempt(delivery: Delivery, now: datetime, post: Post) -> None:
    begun = time.monotonic()
    status: int | None = None
    try:
        if delivery.webhook is not None:
            answer = _post(delivery, delivery.webhook, now, post)
            status, words, good = answer.status, answer.text, answer.accepted
        else:
            _mail(delivery)
            words, good = "", True
    except (outbound.NotReachable, OSError) as problem:  # smtplib's errors are OSErrors
        words, good = str(problem) or type(problem).__name__, False
    _record(delivery, now, time.monotonic() - begun, status, words, good)


def _post(delivery: Delivery, webhook: Webhook, now: datetime, post: Post) -> outbound.Answer:
    if not webhook.active:
        raise outbound.NotReachable(SWITCHED_OFF())
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = headers_of(webhook, delivery, body, int(now.timestamp()))
    return post(webhook.url, body, headers, settings.WEBHOOK_PRIVATE_HOSTS)


def _mail(delivery: Delivery) -> None:
    """A short letter in the reader's language."""
    reader, payload = delivery.reader, delivery.payload
    assert reader is not None
    with speaking_to(reader):
        where = payload["campaign"]["name"] if payload["campaign"] else ""
        what = str(EventKind(delivery.kind).label)
        subject = f"Accord: {what}" + (f" ({where})" if where else "")
        lines = [f"{name}: {said(str(value))}" for name, value in payload["data"].items()]
        ending = _("You get this because you asked for it; your settings stop it: %(url)s") % {
            "url": f"{settings.PUBLIC_URL}/account/notices/"
        }
        text = "\n".join([f"{what[:1].upper()}{what[1:]}.", "", *lines, "", payload["url"]])
        send_mail(
            " ".join(subject.split())[:200],
            f"{text.strip()}\n\n-- \n{ending}\n",
            settings.DEFAULT_FROM_EMAIL,
            [reader.email],
        )


@transaction.atomic
def _record(
    delivery: Delivery, now: datetime, seconds: float, status: int | None, words: str, good: bool
) -> None:
    DeliveryAttempt.objects.create(
        delivery=delivery,
        at=now,
        seconds=seconds,
        status=status,
        answer=words.replace("\x00", "")[:500],
    )
    delivery.tries += 1
    if good:
        delivery.status = Status.DELIVERED
    elif delivery.tries > len(PAUSES):
        delivery.status = Status.FAILED
    else:
        delivery.due_at = now + PAUSES[delivery.tries - 1]
    delivery.save(update_fields=["tries", "status", "due_at"])


def forget_old(*, now: datetime) -> int:
    """Delete what was told long ago, with its attempts; returns how many rows that were."""
    old = Delivery.objects.filter(created_at__lt=now - KEPT).exclude(status=Status.QUEUED)
    return old.delete()[0]


@transaction.atomic
def replay(*, delivery: Delivery, by: User, now: datetime) -> Delivery:
    """Deliver the same event once more, whatever became of it; the receiver knows it by its id."""
    again = Delivery.objects.create(
        webhook=delivery.webhook,
        event=delivery.event,
        kind=delivery.kind,
        payload=delivery.payload,
        replays=delivery,
        due_at=now,
    )
    assert delivery.webhook is not None
    audit.record(
        actor=by,
        act=Act.EVENT_REPLAYED,
        subject=delivery.webhook,
        details={"event": str(delivery.event), "kind": delivery.kind},
    )
    deliver_soon()
    return again
