"""Best of n: the score as it goes, and what a larger n would bring."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.charts.lines import Chart, Series, line_chart
from rewardmodel.watching import Curve

CURVES = [
    Curve(
        gettext_lazy("Score"),
        gettext_lazy("of the last prompts"),
        {"mean": gettext_lazy("mean"), "best": gettext_lazy("best")},
    ),
]


def frontier(figures: dict[str, Any]) -> Chart | None:
    """The expected score of the best of 1, 2, 4 ... answers over the divergence that it costs."""
    points = [(each["kl"], each["score"]) for each in figures.get("curve", [])]
    if not points:
        return None
    return line_chart(
        key="frontier",
        title=_("Score of the best of n over the divergence from the policy"),
        unit=_("score"),
        series=[Series(_("best of n"), points)],
        x_name=_("KL, nats, at most"),
    )
