"""How policies fare against each other in a campaign, counted by the database."""

from typing import Any

from django.db.models import Count, F, Q
from django.db.models.functions import Greatest, Least

from labeling.models import Campaign
from labeling.selectors.arms import arm_figures
from labeling.selectors.judgments import current_judgments


def meeting_figures(campaign: Campaign, judges: str) -> dict[str, Any]:
    """For each two policies that met: judgments, pairs, and how often the one was better.

    `one` is the policy with the lower number. What one policy's responses say among themselves is
    counted as well; there is no better one there.
    """
    first, second = "comparison__first__policy", "comparison__second__policy"
    in_order = Q(**{f"{first}__lte": F(second)})
    for_first, for_second = Q(preference__lt=0), Q(preference__gt=0)
    rows = (
        current_judgments(campaign, [judges])
        .annotate(one=Least(first, second), other=Greatest(first, second))
        .values("one", "other")
        .annotate(
            judgments=Count("id"),
            pairs=Count("comparison", distinct=True),
            wins=Count("id", filter=(in_order & for_first) | (~in_order & for_second)),
            ties=Count("id", filter=Q(preference=0)),
        )
        .order_by("one", "other")
    )
    return {"meetings": list(rows), "arms": arm_figures(campaign, judges)}
