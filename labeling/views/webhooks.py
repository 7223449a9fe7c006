"""Webhooks: which addresses are told of what, and how that went."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import errors
from labeling.access import delivery_for, manages_campaigns, webhook_for, webhooks_for
from labeling.forms import WebhookForm
from labeling.models import EventKind
from labeling.requests import SignedIn
from labeling.services.deliveries import replay, secret_of
from labeling.services.webhooks import add_webhook, renew_secret, switch_webhook

DELIVERIES_SHOWN = 50


@login_required
@require_http_methods(["GET", "POST"])
def index(request: SignedIn) -> HttpResponse:
    """The list, and a new one."""
    if not manages_campaigns(request.user):
        raise PermissionDenied
    form = WebhookForm(request.POST if request.method == "POST" else None, by=request.user)
    if form.is_valid():
        try:
            webhook = add_webhook(by=request.user, **form.cleaned_data)
        except errors.AddressRefused as refusal:
            form.add_error("url", str(refusal))
        else:
            messages.success(request, _("It is told from now on; check its signature by this key."))
            return redirect("labeling:webhook", webhook.pk)
    context = {
        "form": form,
        "webhooks": webhooks_for(request.user).select_related("campaign"),
    }
    return render(request, "labeling/webhooks.html", context, status=422 if form.is_bound else 200)


@never_cache
@login_required
@require_safe
def detail(request: SignedIn, pk: int) -> HttpResponse:
    webhook = webhook_for(request.user, pk)
    deliveries = webhook.deliveries.prefetch_related("attempts")
    context = {
        "webhook": webhook,
        "secret": secret_of(webhook),
        "kinds": [EventKind(kind).label for kind in webhook.kinds],
        "deliveries": deliveries[:DELIVERIES_SHOWN],
    }
    return render(request, "labeling/webhook.html", context)


@login_required
@require_POST
def switch(request: SignedIn, pk: int) -> HttpResponse:
    webhook = webhook_for(request.user, pk)
    switch_webhook(webhook=webhook, active=request.POST.get("to") == "on", by=request.user)
    return redirect("labeling:webhook", pk)


@login_required
@require_POST
def renew(request: SignedIn, pk: int) -> HttpResponse:
    renew_secret(webhook=webhook_for(request.user, pk), by=request.user)
    messages.success(request, _("From now on it is signed with the new key."))
    return redirect("labeling:webhook", pk)


@login_required
@require_POST
def replay_delivery(request: SignedIn, pk: int) -> HttpResponse:
    """Deliver one event once more."""
    delivery = delivery_for(request.user, pk)
    replay(delivery=delivery, by=request.user, now=timezone.now())
    messages.success(request, _("The event is on its way once more."))
    return redirect("labeling:webhook", delivery.webhook_id)
