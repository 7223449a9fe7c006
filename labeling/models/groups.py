from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign


class LabelerGroup(models.Model):
    """People who are invited together: whoever joins it later joins its campaigns too."""

    name = models.CharField(max_length=80, unique=True)
    people = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="GroupMember", related_name="labeler_groups"
    )
    campaigns = models.ManyToManyField(
        Campaign, through="InvitedGroup", related_name="invited_groups"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="owned_groups"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """Somebody's place in a group."""

    group = models.ForeignKey(LabelerGroup, on_delete=models.CASCADE, related_name="places")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "user"], name="once_in_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is in {self.group}"


class InvitedGroup(models.Model):
    """A campaign that a group labels in."""

    group = models.ForeignKey(LabelerGroup, on_delete=models.CASCADE, related_name="invitations")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "campaign"], name="group_invited_once"),
        ]

    def __str__(self) -> str:
        return f"{self.group} labels in {self.campaign}"
