"""Who is told of events, and how that went."""

from django.contrib import admin

from labeling.admin.changing import ReadOnlyAdmin
from labeling.models import Delivery, DeliveryAttempt, MailWish, Webhook


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ["url", "campaign", "kinds", "active", "created_by"]
    list_filter = ["active"]
    list_select_related = ["campaign", "created_by"]


@admin.register(MailWish)
class MailWishAdmin(ReadOnlyAdmin):
    list_display = ["user", "kind"]
    list_select_related = ["user"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["kind", "webhook", "reader", "status", "tries", "created_at"]
    list_filter = ["kind", "status"]
    list_select_related = ["webhook", "reader"]


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    list_display = ["delivery", "at", "status", "seconds"]
    list_select_related = ["delivery__webhook", "delivery__reader"]
