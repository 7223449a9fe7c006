from django.db import models
from django.db.models import Q

from labeling.models.background import BackgroundWork
from labeling.models.campaigns import Campaign
from labeling.models.judgments import Judgment


class Report(BackgroundWork):
    """What was found about a campaign's judgments at one time, because it takes long to find.

    Pages show the last one that is done, with its age.
    """

    class Subject(models.TextChoices):
        AGREEMENT = "agreement"
        PROMPTS = "prompts"  # what there is of each category, and what says nearly the same
        MEETINGS = "meetings"  # how policies fare against each other
        LABELERS = "labelers"  # what each does whatever the pair
        POLICIES = "policies"  # how good each is beside the others
        REVIEW = "review"  # pairs worth a review: they come into the queue

    task_name = "labeling.tasks.compute_report"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="reports")
    subject = models.CharField(max_length=12, choices=Subject)
    judges = models.CharField(max_length=10, choices=Judgment.JudgeKind)  # whose judgments
    figures = models.JSONField(default=dict)
    last_judgment = models.BigIntegerField(default=0)  # the newest it knows of

    class Meta(BackgroundWork.Meta):
        constraints = [
            *BackgroundWork.Meta.constraints,
            models.UniqueConstraint(
                fields=["campaign", "subject", "judges"],
                name="report_asked_for_once_at_a_time",
                condition=Q(status__in=["queued", "running"]),
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "subject", "judges", "-id"], name="report_latest")
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.campaign}"
