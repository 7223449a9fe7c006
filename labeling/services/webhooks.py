"""Webhooks: added, switched, given a new secret."""

import uuid

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import errors, outbound
from labeling.models import Act, Campaign, User, Webhook
from labeling.sayings import said
from labeling.services import audit


@transaction.atomic
def add_webhook(*, campaign: Campaign | None, url: str, kinds: list[str], by: User) -> Webhook:
    """From now on an address is told of events.

    Raises:
        AddressRefused: it is none, or lies in a private network.
    """
    try:
        outbound.reach(url, settings.WEBHOOK_PRIVATE_HOSTS)
    except outbound.NotReachable as why:
        raise errors.AddressRefused(
            _("This address can't be told of anything: %(why)s.") % {"why": said(str(why))}
        ) from None
    webhook = Webhook.objects.create(campaign=campaign, url=url, kinds=sorted(kinds), created_by=by)
    audit.record(actor=by, act=Act.WEBHOOK_ADDED, subject=webhook, details={"kinds": webhook.kinds})
    return webhook


@transaction.atomic
def switch_webhook(*, webhook: Webhook, active: bool, by: User) -> None:
    """Tell it nothing, or tell it again; its log stays."""
    if Webhook.objects.filter(pk=webhook.pk, active=not active).update(active=active):
        act = Act.WEBHOOK_ON if active else Act.WEBHOOK_OFF
        audit.record(actor=by, act=act, subject=webhook)


@transaction.atomic
def renew_secret(*, webhook: Webhook, by: User) -> None:
    """From now on it is signed with another secret."""
    webhook.key = uuid.uuid4()
    webhook.save(update_fields=["key"])
    audit.record(actor=by, act=Act.WEBHOOK_SECRET_RENEWED, subject=webhook)
