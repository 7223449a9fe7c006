from django.conf import settings
from django.db import models


class OptOut(models.Model):
    """Content that a labeler does not want to see, in whatever campaign; asked for no reason."""

    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="opt_outs"
    )
    category = models.CharField(max_length=60)  # a campaign's content warning, a prompt's category

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["labeler", "category"], name="labeler_opts_out_of_a_category_once"
            ),
            models.CheckConstraint(
                name="opt_out_of_something_named", condition=~models.Q(category="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.labeler} does not see {self.category}"
