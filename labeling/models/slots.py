from django.conf import settings
from django.db import models
from django.db.models import Q


class Slot(models.Model):
    """One wanted answer: a labeler leases it, then gives it. Subclasses say what it is about."""

    slot = models.PositiveSmallIntegerField()  # 0 .. overlap-1
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="%(class)ss",
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    # What its labeler was promised when they took it; it stays when the campaign's price changes.
    price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_lease_has_a_labeler_and_an_end",
                condition=Q(labeler__isnull=True, leased_until__isnull=True)
                | Q(labeler__isnull=False, leased_until__isnull=False),
            ),
            models.CheckConstraint(
                name="%(class)s_answered_by_someone",
                condition=Q(answered_at__isnull=True) | Q(labeler__isnull=False),
            ),
        ]
