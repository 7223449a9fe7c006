from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.campaigns import Campaign
from labeling.models.comparisons import Comparison
from labeling.models.policies import Policy
from labeling.models.prompts import Prompt, Response


class Chat(models.Model):
    """A conversation that one labeler leads with the policies of a campaign, turn by turn."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="chats")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="chats"
    )
    ended_at = models.DateTimeField(null=True, blank=True)  # empty: it goes on
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "labeler"],
                name="one_open_chat_per_labeler_and_campaign",
                condition=Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"chat {self.pk}"


class ChatTurn(models.Model):
    """One message of the labeler and what became of it.

    Who answers, sampled how, and on which sides is drawn when the message is sent, so that a
    stream that is begun again asks for the same. `comparison` is there once both answers are,
    `picked` once the conversation can go on.
    """

    class Problem(models.TextChoices):
        """Why there is nothing to judge, as the labeler reads it. No policy is ever named."""

        DOWN = (
            "down",
            _("No server answers here at the moment. Your message is kept: ask again in a minute."),
        )
        STOPPED = (
            "stopped",
            _("A server stopped in the middle of an answer, so neither was kept: ask again."),
        )
        TOO_LONG = (
            "too_long",
            _(
                "The conversation is longer than the models can read. Shorten the message, or "
                "start a new conversation."
            ),
        )
        EMPTY = (
            "empty",
            _("An answer stayed empty, so there is nothing to compare: ask again, or differently."),
        )

    chat = models.ForeignKey(Chat, on_delete=models.PROTECT, related_name="turns")
    number = models.PositiveSmallIntegerField()  # 0, 1, ... within the chat
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="chat_turns")
    client_key = models.UUIDField(unique=True)  # made with the page: a retry stores nothing twice

    first_policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    second_policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="+")
    first_sampling = models.JSONField()  # temperature, top_p, max_tokens, seed
    second_sampling = models.JSONField()
    first_on_left = models.BooleanField()

    # The stream that may store the answers: the one begun last. A reload begins another.
    stream_key = models.UUIDField(null=True, blank=True)
    problem = models.CharField(max_length=10, choices=Problem, blank=True)
    comparison = models.OneToOneField(
        Comparison, null=True, blank=True, on_delete=models.PROTECT, related_name="chat_turn"
    )
    # What the conversation went on from: the better one, or one by chance where neither was. A
    # later change of the judgment leaves it, because the turns after it answer it.
    # Without a comparison: both answers were the same. That it answers `prompt` is held by a key.
    picked = models.ForeignKey(
        Response, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["chat", "number"]
        constraints = [
            models.UniqueConstraint(fields=["chat", "number"], name="chat_turn_number_is_unique"),
            models.CheckConstraint(
                name="chat_problem_is_known",
                condition=Q(problem__in=["", "down", "stopped", "too_long", "empty"]),
            ),
            models.CheckConstraint(
                name="chat_turn_with_a_problem_has_no_answers",
                condition=Q(problem="") | Q(comparison__isnull=True, picked__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"turn {self.number} of {self.chat}"

    @property
    def is_answered(self) -> bool:
        """Whether its answers are there, judged or not."""
        return self.comparison_id is not None or self.picked_id is not None

    @property
    def goes_on_by_chance(self) -> bool:
        """Whether chance picked the answer to go on from, because neither was better."""
        if self.picked_id is None or self.comparison is None:
            return False
        first = self.comparison.judgments.order_by("id").first()
        return first is not None and first.preference == 0
