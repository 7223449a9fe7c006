from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from labeling.models import AuditEvent


@dataclass(frozen=True)
class AuditSearch:
    """Which events are wanted; what is empty does not narrow them."""

    words: str = ""
    act: str = ""
    since: date | None = None
    until: date | None = None  # that day included


def matching(events: QuerySet[AuditEvent], search: AuditSearch) -> QuerySet[AuditEvent]:
    """Events that hold each of the words, in whatever column, newest first."""
    for word in search.words.split():
        events = events.annotate(details_text=Cast("details", TextField())).filter(
            Q(subject__icontains=word)
            | Q(actor__username__icontains=word)
            | Q(act__icontains=word)
            | Q(details_text__icontains=word)
        )
    if search.act:
        events = events.filter(act=search.act)
    if search.since:
        events = events.filter(at__gte=_midnight(search.since))
    if search.until:
        events = events.filter(at__lt=_midnight(search.until + timedelta(days=1)))
    return events.select_related("actor", "campaign").order_by("-id")


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
