from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.policies import Policy


class Prompt(models.Model):
    """A conversation that waits for an answer: one or more messages, the last by the user."""

    # [{"role": "user", "content": "...", "images": [{"digest", "alt", "width", "height"}]}, ...];
    # "images" only where there are some.
    messages = models.JSONField()
    category = models.CharField(max_length=60, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)  # of the messages
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80]


class Response(models.Model):
    """What one policy answered to one prompt, and under which sampling parameters.

    That it said nothing is only ever known from a file whose annotators judged that: nobody is
    asked about such a response, and nothing is trained on it.
    """

    NOTHING_SAID = "empty"  # the finish reason of a response without text

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="responses")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="responses")
    text = models.TextField()
    # temperature, top_p, max_tokens, seed; empty for imported texts.
    sampling = models.JSONField(default=dict)
    token_count = models.PositiveIntegerField(null=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="response_says_something_or_is_known_to_be_empty",
                condition=~Q(text="") | Q(finish_reason="empty"),
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]
