from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Campaign, PairRule, PlannedMeeting, Policy, Prompt, Response


class ResponseRequest(models.Model):
    """A response wanted from a policy for a campaign. It waits here until a server has answered."""

    class Status(models.TextChoices):
        QUEUED = (
            "queued",
            _("Queued"),
        )  # also after a server failed it, until tried again
        DONE = "done", _("Done")  # answered; `response` is empty when the policy said nothing
        FAILED = "failed", _("Failed")  # refused by the server for a reason that a retry can't mend

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="response_requests"
    )
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="response_requests")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="response_requests")
    number = models.PositiveSmallIntegerField()  # 0 .. responses-1
    # The line of the pair plan it was asked by, and for which of its sides; empty without a plan.
    meeting = models.ForeignKey(
        PlannedMeeting,
        null=True,
        on_delete=models.RESTRICT,
        related_name="response_requests",
    )
    side = models.PositiveSmallIntegerField(null=True)  # 0: the one, 1: the other
    sampling = models.JSONField()  # temperature, top_p, max_tokens, seed
    arm = models.CharField(max_length=12, choices=PairRule, blank=True)  # by which it was chosen
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    response = models.OneToOneField(
        Response, null=True, on_delete=models.PROTECT, related_name="request"
    )
    error = models.TextField(blank=True)
    paired = models.BooleanField(default=False)  # its comparisons are made, or never will be
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "prompt", "policy", "number"], name="response_requested_once"
            ),
            models.CheckConstraint(
                name="request_by_plan_has_a_side",
                condition=Q(meeting__isnull=True, side__isnull=True)
                | Q(meeting__isnull=False, side__in=[0, 1]),
            ),
            models.CheckConstraint(
                name="request_status_is_known",
                condition=Q(status__in=["queued", "done", "failed"]),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="request_queued", condition=Q(status="queued")),
            models.Index(
                fields=["campaign", "prompt"],
                name="request_unpaired",
                condition=Q(paired=False),
            ),
        ]

    def __str__(self) -> str:
        return f"response {self.number} of {self.policy} to prompt {self.prompt_id}"
