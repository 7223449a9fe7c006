"""Files that a campaign takes in, and files that its data leaves in."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class ImportedFile(models.Model):
    """A file of what people did elsewhere, taken in once. Subclasses say into which campaign."""

    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)  # of the file's bytes
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class FrozenData(models.Model):
    """Data frozen for training: a file whose hash is its name, and how it was made.

    Subclasses say of which campaign, from what, and how many rows are learned from and held out.
    """

    digest = models.CharField(max_length=64)  # of the file's bytes
    artifact_url = models.CharField(max_length=500)
    recipe = models.JSONField()  # filters, aggregation and split that give these rows again
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
        ordering = ["-id"]
