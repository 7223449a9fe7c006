from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.prompts import Prompt


class Image(models.Model):
    """A picture as it was encoded here, named by the hash of its bytes."""

    digest = models.CharField(max_length=64, unique=True)
    artifact_url = models.CharField(max_length=500)
    width = models.PositiveIntegerField()  # pixels
    height = models.PositiveIntegerField()
    prompts = models.ManyToManyField(Prompt, through="PromptImage", related_name="images")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="image_has_an_area", condition=Q(width__gte=1, height__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"image {self.digest[:8]}"


class PromptImage(models.Model):
    """A prompt that shows an image: whoever may see the prompt may see the image."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "image"], name="image_once_in_a_prompt"),
        ]

    def __str__(self) -> str:
        return f"{self.image} in prompt {self.prompt_id}"
