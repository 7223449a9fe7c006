from django.db import models

from labeling.models.campaigns import Campaign


class SpendingMark(models.Model):
    """What a campaign's answers up to a moment cost together, so that no claim adds them up again.

    Which answers there were by then, and what they cost, never changes (migration 0015). A
    shortcut, never the truth: without its rows each sum begins at the first answer.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="+")
    up_to = models.DateTimeField()
    amount = models.DecimalField(max_digits=16, decimal_places=4)

    def __str__(self) -> str:
        return f"{self.amount} in {self.campaign} up to {self.up_to:%Y-%m-%d %H:%M}"
