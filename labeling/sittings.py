"""Sittings: a campaign's warning is read at the beginning of each, and holds until its end.

Kept in the session, so that signing out ends it too.
"""

from datetime import datetime, timedelta

from django.http import HttpRequest

from labeling.models import Campaign

LONGEST = timedelta(hours=4)  # after so long the warning is shown again
KEY = "warnings_read"  # in the session: campaign -> when, in seconds since 1970


def begin(request: HttpRequest, campaign: Campaign, now: datetime) -> None:
    """The labeler has read the campaign's warning."""
    read = {
        pk: when
        for pk, when in request.session.get(KEY, {}).items()
        if when > (now - LONGEST).timestamp()
    }
    request.session[KEY] = {**read, str(campaign.pk): now.timestamp()}


def warning_unread(request: HttpRequest, campaign: Campaign, now: datetime) -> bool:
    """Whether the campaign's warning stands before its next pair."""
    if not campaign.content_warnings or campaign.status != Campaign.Status.OPEN:
        return False
    read = request.session.get(KEY, {}).get(str(campaign.pk), 0)
    return read <= (now - LONGEST).timestamp()
