from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Policy(models.Model):
    """The identity card of a response's author: one version of one model.

    How it was made is `rlhf.PolicyRun`, which points here.
    """

    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    # A folder, an fsspec address or a hub name; blank when only its texts are known (imports).
    checkpoint = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["name", "version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="policy_version_is_unique"),
            models.CheckConstraint(
                name="policy_is_not_its_own_parent",
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def slug(self) -> str:
        """The name under which an inference server serves this version."""
        return f"{self.name}-v{self.version}"
