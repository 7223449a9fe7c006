from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a token may be used for; it never allows more than its owner may do."""

    READ = "read", _("read: look at campaigns and take preferences out")
    LABEL = "label", _("label: take pairs and answer them")
    MANAGE = "manage", _("manage: import, change campaigns and their people")
    TRAIN = "train", _("train: start, stop and promote")


class ApiToken(models.Model):
    """A key that a program brings instead of its owner's password.

    Only the key's hash is stored: it is shown once, when it is made.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=80)  # what the owner calls it
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the key, hexadecimal
    hint = models.CharField(max_length=12)  # how the key begins, to tell it from others
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="token_scopes_are_known_and_some",
                condition=Q(scopes__len__gt=0)
                & Q(scopes__contained_by=["read", "label", "manage", "train"]),
            ),
            models.CheckConstraint(
                name="token_expires_after_it_is_made",
                condition=Q(expires_at__gt=F("created_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.name}"

    def stands(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at
