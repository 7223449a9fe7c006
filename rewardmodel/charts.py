"""What the page of a reward model draws: curves while it learns, then its report and suites."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.charts.intervals import Intervals, intervals, of_shares
from labeling.charts.lines import Chart, Series, line_chart
from labeling.statistics import Share
from rewardmodel.models import SuiteResult
from rewardmodel.watching import Curve

CURVES = [
    Curve(gettext_lazy("Loss"), gettext_lazy("nats"), {"loss": gettext_lazy("loss")}),
    Curve(
        gettext_lazy("Accuracy"),
        gettext_lazy("share of pairs"),
        {
            "accuracy": gettext_lazy("batch"),
            "test_accuracy": gettext_lazy("held out"),
        },
    ),
    Curve(
        gettext_lazy("Lead of the chosen response"),
        gettext_lazy("score"),
        {"margin": gettext_lazy("lead")},
    ),
    Curve(
        gettext_lazy("Speed"),
        gettext_lazy("tokens a second"),
        {"tokens_per_second": gettext_lazy("speed")},
    ),
]

# Words for the names in a report: the program speaks no language but its own.
WORDS = {
    "one answer": gettext_lazy("one answer"),
    "all agree": gettext_lazy("all agree"),
    "most agree": gettext_lazy("most agree"),
    "divided": gettext_lazy("divided"),
    "much shorter": gettext_lazy("much shorter"),
    "shorter": gettext_lazy("shorter"),
    "about as long": gettext_lazy("about as long"),
    "longer": gettext_lazy("longer"),
    "much longer": gettext_lazy("much longer"),
}


def slices(figures: dict[str, Any]) -> list[Intervals]:
    """Accuracy by category, by agreement and by length, each with its intervals."""
    sliced = figures.get("report", {}).get("slices", {})
    plan = [
        ("category", _("Accuracy by category"), _("category")),
        ("agreement", _("Accuracy by how far people agreed"), _("people")),
        ("length", _("Accuracy by length"), _("the chosen response is")),
        ("aspect", _("Accuracy in each aspect"), _("aspect")),
    ]
    drawn = [
        intervals(
            f"slices-{key}",
            title,
            name,
            of_shares((_named(key, row["name"]), _share(row)) for row in sliced.get(key, [])),
            value_name=_("accuracy"),
            count_name=_("pairs"),
            reference=0.5,
            percent=True,
        )
        for key, title, name in plan
    ]
    return [each for each in drawn if each is not None]


def on_suites(results: Iterable[SuiteResult]) -> list[Intervals]:
    """Accuracy on each imported suite as a whole and by subset."""
    drawn = [
        intervals(
            f"suite-{result.suite_id}",
            result.suite.name,
            _("subset"),
            of_shares(
                [
                    (_("all of it"), _share(result.figures)),
                    *((row["name"], _share(row)) for row in result.figures["subsets"]),
                ]
            ),
            value_name=_("accuracy"),
            count_name=_("pairs"),
            reference=0.5,
            percent=True,
        )
        for result in results
    ]
    return [each for each in drawn if each is not None]


def _named(key: str, name: str) -> str:
    if key in ("category", "aspect"):  # a manager's own word, which may be one of ours by chance
        return name or _("none")
    return str(WORDS.get(name, name))


def _share(row: dict[str, Any]) -> Share:
    return Share(row["accuracy"], row["low"], row["high"], row["pairs"])


def of_report(figures: dict[str, Any]) -> list[Chart]:
    """Calibration, the distribution of leads, and the learning curve, as far as measured."""
    report = figures.get("report", {})
    drawn = [_reliability(report), _leads(report), _learning_curve(report)]
    return [each for each in drawn if each is not None]


def _reliability(report: dict[str, Any]) -> Chart | None:
    bins = report.get("reliability")
    if not bins:
        return None
    lines = [
        Series(words, [(100 * each["confidence"], 100 * each["accuracy"]) for each in bins[name]])
        for name, words in (("before", _("as trained")), ("after", _("scaled")))
    ]
    return line_chart(
        key="reliability",
        title=_("How often it is right when it is so sure"),
        unit="%",
        series=[*lines, Series(_("meant as said"), [(50.0, 50.0), (100.0, 100.0)])],
        x_name=_("confidence, %"),
    )


def _leads(report: dict[str, Any]) -> Chart | None:
    return line_chart(
        key="leads",
        title=_("Lead of the chosen response"),
        unit=_("pairs"),
        series=[
            Series(_("pairs"), [(each["lead"], each["pairs"]) for each in report.get("leads", [])])
        ],
        x_name=_("lead, log-odds"),
    )


def _learning_curve(report: dict[str, Any]) -> Chart | None:
    curve = report.get("learning_curve")
    if not curve:
        return None
    points = [(each["pairs"], 100 * each["accuracy"]) for each in curve["points"]]
    series = [Series(_("measured"), points)]
    if "more_accuracy" in curve:
        last, reached = points[-1]
        beyond = (last + curve["more_pairs"], reached + 100 * curve["more_accuracy"])
        series.append(Series(_("to be expected"), [points[-1], beyond]))
    return line_chart(
        key="learning-curve",
        title=_("Accuracy by number of labels"),
        unit="%",
        series=series,
        x_name=_("pairs learned from"),
    )
