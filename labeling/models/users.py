from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """Someone who signs in: a person, or a simulated labeler that rehearses the loop."""

    class Kind(models.TextChoices):
        PERSON = "person", _("Person")
        SIMULATION = "simulation", _("Simulation")

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    # Engineers steer training and promotion; managers and labelers get their rights per campaign.
    is_engineer = models.BooleanField(default=False)
    # A code of settings.LANGUAGES; empty until the user chooses: then as the browser asks.
    language = models.CharField(max_length=12, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="user_is_a_person_or_a_simulation",
                condition=Q(kind__in=["person", "simulation"]),
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Addresses are kept in lower case: whoever looks for one, finds it however it is typed."""
        self.email = self.email.lower()
        super().save(*args, **kwargs)

    @property
    def steers_training(self) -> bool:
        return self.is_engineer or self.is_superuser
