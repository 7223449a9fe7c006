"""PPO: the curves of a run, those of several in one chart, and what distance buys."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.charts.lines import Chart, Series, figure, line_chart
from rewardmodel.watching import Curve
from rlhf.models import PolicyRun
from rlhf.selectors.frontier import Frontier, distances_and_scores, fitted

NATS = gettext_lazy("nats")
SECONDS = gettext_lazy("seconds an update")
CURVES = [
    Curve(
        gettext_lazy("Reward"),
        gettext_lazy("score an answer"),
        {
            "score": gettext_lazy("reward model"),
            "reward": gettext_lazy("after the KL penalty"),
            "validation_score": gettext_lazy("on prompts kept from training"),
        },
    ),
    Curve(
        gettext_lazy("Distance from the parent"),
        gettext_lazy("nats an answer"),
        {"kl": gettext_lazy("KL")},
    ),
    Curve(
        gettext_lazy("KL coefficient"),
        gettext_lazy("score a nat"),
        {"kl_coef": gettext_lazy("KL coefficient")},
    ),
    Curve(gettext_lazy("Entropy"), NATS, {"entropy": gettext_lazy("entropy")}),
    Curve(gettext_lazy("Length"), gettext_lazy("tokens"), {"length": gettext_lazy("length")}),
    Curve(
        gettext_lazy("How answers end and repeat"),
        gettext_lazy("share"),
        {
            "eos_rate": gettext_lazy("ended by themselves"),
            "repetition": gettext_lazy("word triples that repeat"),
        },
    ),
    Curve(
        gettext_lazy("Clipped"),
        gettext_lazy("share of tokens"),
        {"clip_fraction": gettext_lazy("clipped")},
    ),
    Curve(gettext_lazy("Value loss"), "", {"value_loss": gettext_lazy("value loss")}),
    Curve(
        gettext_lazy("What the critic foresees"),
        gettext_lazy("share of the variance"),
        {"explained_variance": gettext_lazy("explained variance")},
    ),
    Curve(
        gettext_lazy("Time by phase"),
        SECONDS,
        {
            "seconds_rollout": gettext_lazy("sampling"),
            "seconds_score": gettext_lazy("scoring"),
            "seconds_freeze": gettext_lazy("old probabilities"),
            "seconds_train": gettext_lazy("training"),
            "seconds_sync": gettext_lazy("weights to the engine"),
        },
    ),
    Curve(
        gettext_lazy("Sampling speed"),
        gettext_lazy("tokens a second"),
        {"tokens_per_second": gettext_lazy("speed")},
    ),
    Curve(
        gettext_lazy("Engine against trainer"),
        gettext_lazy("nats a token"),
        {"engine_gap": gettext_lazy("difference")},
    ),
]
FURTHEST = 3.0  # times the distance seen so far at which a peak is still worth naming


def compared(runs: list[PolicyRun]) -> list[Chart]:
    """A chart for every metric of the run's page, with a line for each run."""
    measured = {one: list(one.metrics.values_list("step", "values")) for one in runs}
    metrics = [
        (
            name,
            f"{curve.title}: {words}" if len(curve.metrics) > 1 else str(curve.title),
            str(curve.unit),
        )
        for curve in CURVES
        for name, words in curve.metrics.items()
    ]
    charts = (
        line_chart(
            key=f"compared-{name}",
            title=title,
            unit=unit,
            series=[
                Series(
                    one.title,
                    [(step, values[name]) for step, values in rows if values.get(name) is not None],
                )
                for one, rows in measured.items()
            ],
        )
        for name, title, unit in metrics
    )
    return [chart for chart in charts if chart is not None]


def frontier(run: PolicyRun) -> tuple[Chart, str] | None:
    """The chart of a run and what it says in a sentence; None before there is anything to see."""
    points = distances_and_scores(run)
    curve = fitted(points)
    if curve is None:
        return None
    chart = line_chart(
        key="frontier",
        title=_("Reward against the root of KL"),
        unit=_("score an answer"),
        series=[
            Series(_("measured"), points, dots=True),
            Series(_("fitted"), [(distance, curve.at(distance)) for distance, _score in points]),
        ],
        x_name=_("Root of KL"),
        whole_x=False,
    )
    assert chart is not None
    return chart, in_words(curve, points[-1][0])


def in_words(curve: Frontier, furthest: float) -> str:
    """Where the fitted reward is highest, as far as the run's distances can tell."""
    peak = curve.peak
    if peak is None or peak > FURTHEST * furthest:
        return _("The fitted reward still rises with distance; no peak is in sight.")
    values = {"kl": figure(peak**2), "reward": figure(curve.at(peak))}
    if peak > furthest:
        return (
            _("Beyond the run: a peak is guessed at a KL of %(kl)s nats with %(reward)s.") % values
        )
    return _("The fitted reward peaks at a KL of %(kl)s nats with %(reward)s.") % values
