"""Pausing a campaign once its next labels would teach too little."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from labeling.models import Act, Campaign, EventKind, User
from labeling.services import audit
from labeling.services.campaigns import change_status
from labeling.services.events import announce
from rlhf.sayings import GAINS_TOO_LITTLE, KNOWN_ENOUGH
from rlhf.selectors.planning import MORE, measured_curve, measured_likeness, meetings_now


@transaction.atomic
def set_stop_rule(
    *, campaign: Campaign, width: float | None, gain: float | None, by: User
) -> Campaign:
    """From now on the campaign pauses once each win rate is known to within `width`, or once 100
    labels are expected to add less than `gain` to the reward model's accuracy; None: it goes on.
    """
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    before = {"stop_width": campaign.stop_width, "stop_gain": campaign.stop_gain}
    campaign.stop_width, campaign.stop_gain = width, gain
    campaign.save(update_fields=["stop_width", "stop_gain"])
    after = {"stop_width": width, "stop_gain": gain}
    if changed := audit.differences(before, after):
        audit.record(actor=by, act=Act.CAMPAIGN_RULE_SET, subject=campaign, details=changed)
    return campaign


def reason_to_stop(campaign: Campaign) -> str | None:
    """Why the campaign's rule says that it is enough, in a sentence; None: go on."""
    return _wide_enough(campaign) or _gains_too_little(campaign)


def _wide_enough(campaign: Campaign) -> str | None:
    if campaign.stop_width is None:
        return None
    alike = measured_likeness(campaign)
    # Not known: then votes on one pair count as one vote, which stops no campaign too early.
    found = meetings_now(campaign, 1.0 if alike is None else alike)
    if not found or found[0].width > campaign.stop_width:
        return None
    return KNOWN_ENOUGH(width=f"{100 * found[0].width:.1f}")


def _gains_too_little(campaign: Campaign) -> str | None:
    measured = measured_curve(campaign) if campaign.stop_gain is not None else None
    if measured is None or not measured.own(campaign):
        return None
    gain, _error = measured.curve.gain(MORE)
    if gain >= (campaign.stop_gain or 0):
        return None
    return GAINS_TOO_LITTLE(more=MORE, gain=f"{100 * gain:.2f}")


def apply(*, now: datetime) -> int:
    """Pause each open campaign whose rule says so; returns how many."""
    ruled = Q(stop_width__isnull=False) | Q(stop_gain__isnull=False)
    stopped = 0
    for campaign in Campaign.objects.filter(ruled, status=Campaign.Status.OPEN):
        reason = reason_to_stop(campaign)
        if reason is not None:
            _stop(campaign, reason, now)
            stopped += 1
    return stopped


@transaction.atomic
def _stop(campaign: Campaign, reason: str, now: datetime) -> None:
    """The rule is spent with it: a manager who opens the campaign again wants more labels."""
    change_status(campaign=campaign, to=Campaign.Status.PAUSED, now=now)
    rule = {"stop_width": campaign.stop_width, "stop_gain": campaign.stop_gain}
    Campaign.objects.filter(pk=campaign.pk).update(stop_width=None, stop_gain=None)
    audit.record(
        actor=None,
        act=Act.CAMPAIGN_STOPPED,
        subject=campaign,
        details={"reason": reason, **rule},
    )
    announce(
        EventKind.ALARM,
        campaign,
        {"alarm": "paused", "reason": reason},
        now,
        reverse("rlhf:planner", args=[campaign.pk]),
    )
