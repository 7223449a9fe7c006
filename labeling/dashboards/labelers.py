"""What each labeler does whatever the pair, as the manager reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.charts.intervals import Figure, intervals
from labeling.charts.lines import Series, line_chart
from labeling.dashboards.judges import names_of
from labeling.dashboards.sections import MOST_SHOWN, Section
from labeling.models import Campaign


@dataclass(frozen=True)
class Kind:
    """One measure of each labeler: its words, and what an alarm says."""

    key: str
    title: str | Promise
    drawn: str | Promise  # above the chart
    value: str | Promise
    count: str | Promise
    alarm: str | Promise  # in two words, beside the name
    sentence: str | Promise  # with %(name)s, %(value)s and %(expected)s
    percent: bool = True


KINDS = [
    Kind(
        "left",
        gettext_lazy("Side"),
        gettext_lazy("How often the response on the left was chosen; sides are balanced"),
        gettext_lazy("left"),
        gettext_lazy("choices"),
        gettext_lazy("leans to a side"),
        gettext_lazy("%(name)s chose the left response in %(value)s of the pairs; half is due."),
    ),
    Kind(
        "longer",
        gettext_lazy("Length"),
        gettext_lazy("How often the longer response was chosen"),
        gettext_lazy("longer"),
        gettext_lazy("choices"),
        gettext_lazy("goes by length"),
        gettext_lazy(
            "%(name)s chose the longer response in %(value)s of the pairs; the others in "
            "%(expected)s."
        ),
    ),
    Kind(
        "marked",
        gettext_lazy("Markdown"),
        gettext_lazy("How often the response with more headings, lists and emphasis was chosen"),
        gettext_lazy("more Markdown"),
        gettext_lazy("choices"),
        gettext_lazy("goes by looks"),
        gettext_lazy(
            "%(name)s chose the response with more Markdown in %(value)s of the pairs; the others "
            "in %(expected)s."
        ),
    ),
    Kind(
        "seconds",
        gettext_lazy("Pace"),
        gettext_lazy("Median seconds of attention for an answer"),
        gettext_lazy("seconds"),
        gettext_lazy("answers"),
        gettext_lazy("very fast"),
        gettext_lazy("%(name)s takes %(value)s seconds for an answer; the others %(expected)s."),
        percent=False,
    ),
    Kind(
        "entropy",
        gettext_lazy("Variety"),
        gettext_lazy("Entropy of the answers as they look on the screen, in bits"),
        gettext_lazy("bits"),
        gettext_lazy("answers"),
        gettext_lazy("one key"),
        gettext_lazy(
            "%(name)s nearly always gives the same answer: %(value)s bits of variety; the others "
            "have %(expected)s."
        ),
        percent=False,
    ),
    Kind(
        "agreement",
        gettext_lazy("Agreement with the others"),
        gettext_lazy("How often another labeler of the same pair gave the same answer"),
        gettext_lazy("agreement"),
        gettext_lazy("comparisons"),
        gettext_lazy("differs"),
        gettext_lazy(
            "%(name)s agrees with others on %(value)s of the pairs; the others among themselves "
            "on %(expected)s."
        ),
    ),
    Kind(
        "skill",
        gettext_lazy("Skill"),
        gettext_lazy(
            "How often the better response was picked, by what all answers together say; half is "
            "chance"
        ),
        gettext_lazy("picks the better"),
        gettext_lazy("answers"),
        gettext_lazy("like a coin"),
        gettext_lazy(
            "%(name)s picks the better response in %(value)s of the pairs, hardly more often than "
            "a coin; usual is %(expected)s."
        ),
    ),
    Kind(
        "gold",
        gettext_lazy("Agreement with gold"),
        gettext_lazy("How often a question with a known answer was answered right"),
        gettext_lazy("right"),
        gettext_lazy("questions"),
        gettext_lazy("misses gold"),
        gettext_lazy(
            "%(name)s answers %(value)s of the questions with a known answer right; the others "
            "%(expected)s."
        ),
    ),
    Kind(
        "drift",
        gettext_lazy("Drift"),
        gettext_lazy(
            "Agreement with the others in the later half of one's answers, less the earlier"
        ),
        gettext_lazy("change"),
        gettext_lazy("comparisons"),
        gettext_lazy("drifts"),
        gettext_lazy("The agreement of %(name)s with the others changed by %(value)s."),
    ),
]
COPIES = gettext_lazy(
    "%(name)s agree on %(value)s of the pairs that both decided; %(expected)s is what their skill "
    "explains."
)

Weeks = dict[str, dict[str, tuple[int, int]]]  # week -> labeler -> right, asked


def sections(campaign: Campaign, figures: dict[str, Any]) -> list[Section]:
    pairs = figures["copies"]
    names = names_of(
        {
            *figures["answers"],
            *figures.get("gold", ()),
            *(pair[side] for pair in pairs for side in ("one", "other")),
        }
    )
    # Reports of before a measure was added have no figures of it.
    made = [_kind(kind, figures, names) for kind in KINDS if figures.get(kind.key)]
    if figures.get("gold_weeks"):
        made.append(_gold_weeks(figures, names))
    if pairs:
        made.append(_copies(pairs, names))
    return [_summary(figures, made), *made] if made else []


def _summary(figures: dict[str, Any], made: list[Section]) -> Section:
    alarms = [sentence for section in made for sentence in section.alarms]
    whole = figures["campaign"]
    rows = [(kind, whole[kind.key]) for kind in KINDS if kind.key in whole]
    lead = (
        _("These stand out by more than chance; talk with them before you act.")
        if alarms
        else _("Nobody stands out by more than chance.")
    )
    return Section(
        "all",
        _("All labelers together"),
        lead,
        [
            intervals(
                "all",
                _("Shares over all labelers"),
                _("choice of"),
                [_figure(str(kind.value), measure, kind) for kind, measure in rows],
                value_name=_("share"),
                count_name=_("choices"),
                reference=0.5,
                percent=True,
            )
        ],
        [_("choice of"), *_columns()],
        [[str(kind.value), *_cells(measure)] for kind, measure in rows],
        alarms,
    )


def _kind(kind: Kind, figures: dict[str, Any], names: dict[str, str]) -> Section:
    measures = figures[kind.key]
    order = sorted(measures, key=lambda who: (not measures[who]["alarm"], -measures[who]["trials"]))
    known = [one["expected"] for one in measures.values() if one["expected"] is not None]
    return Section(
        kind.key,
        str(kind.title),
        "",
        [
            intervals(
                kind.key,
                str(kind.drawn),
                _("labeler"),
                [_figure(names[who], measures[who], kind) for who in order[:MOST_SHOWN]],
                value_name=str(kind.value),
                count_name=str(kind.count),
                scale=(-0.2, 0.2) if kind.key == "drift" else (0.0, 1.0),
                reference=sorted(known)[len(known) // 2] if known else None,
                percent=kind.percent,
            )
        ],
        [_("labeler"), *_columns()],
        [[names[who], *_cells(measures[who])] for who in order],
        [_says(kind.sentence, names[w], measures[w], kind) for w in order if measures[w]["alarm"]],
    )


def _gold_weeks(figures: dict[str, Any], names: dict[str, str]) -> Section:
    """Whether agreement with gold falls: of all together, and of those who miss it most."""
    weeks: Weeks = {}
    for week, judge, right, asked in figures["gold_weeks"]:
        weeks.setdefault(week, {})[judge] = (right, asked)
    measures = figures["gold"]
    missing = sorted(
        (who for who in measures if measures[who]["alarm"]), key=lambda who: measures[who]["value"]
    )
    lines = [
        Series(_("all"), _right_by_week(weeks)),
        *(Series(names[who], _right_by_week(weeks, who)) for who in missing[:2]),
    ]
    return Section(
        "gold-weeks",
        _("Agreement with gold over time"),
        "",
        [
            line_chart(
                "gold-weeks",
                _("Answered right, by week"),
                lines,
                "%",
                x_name=_("Week"),
                from_zero=True,
            )
        ],
        [_("week from"), _("labeler"), _("right"), _("questions")],
        [[week, names[judge], right, asked] for week, judge, right, asked in figures["gold_weeks"]],
    )


def _right_by_week(weeks: Weeks, who: str | None = None) -> list[tuple[float, float]]:
    """Week and percentage of right answers, by one labeler or by all together."""
    first = date.fromisoformat(min(weeks))
    points = []
    for week, counts in sorted(weeks.items()):
        kept = counts.values() if who is None else [counts.get(who, (0, 0))]
        right, asked = (sum(column) for column in zip(*kept, strict=True))
        if asked:
            passed = (date.fromisoformat(week) - first).days // 7
            points.append((float(passed + 1), 100 * right / asked))
    return points


def _copies(pairs: list[dict[str, Any]], names: dict[str, str]) -> Section:
    kind = Kind("copies", "", "", "", "", gettext_lazy("copies?"), COPIES)

    def both(pair: dict[str, Any]) -> str:
        return f"{names[pair['one']]} – {names[pair['other']]}"

    return Section(
        "copies",
        _("Near-copies"),
        _(
            "Two who agree more than each one's agreement with third people explains may not "
            "decide for themselves. It takes four labelers to tell."
        ),
        [
            intervals(
                "copies",
                _("Agreement on pairs that both decided"),
                _("labelers"),
                [_figure(both(pair), pair, kind) for pair in pairs[:MOST_SHOWN]],
                value_name=_("agreement"),
                count_name=_("pairs"),
                percent=True,
            )
        ],
        [_("one"), _("other"), *_columns()],
        [[names[pair["one"]], names[pair["other"]], *_cells(pair)] for pair in pairs],
        [_says(COPIES, both(pair), pair, kind) for pair in pairs if pair["alarm"]],
    )


def _figure(name: str, measure: dict[str, Any], kind: Kind) -> Figure:
    alarm = str(kind.alarm) if measure["alarm"] else ""
    return Figure(
        name, measure["value"], measure["low"], measure["high"], measure["trials"], alarm=alarm
    )


def _says(sentence: str | Promise, name: str, measure: dict[str, Any], kind: Kind) -> str:
    written: Callable[[float], str] = (
        (lambda number: f"{100 * number:.0f} %")
        if kind.percent
        else (lambda number: f"{number:.1f}")
    )
    expected = measure["expected"]
    return str(sentence) % {
        "name": name,
        "value": written(measure["value"]),
        "expected": "–" if expected is None else written(expected),
    }


def _columns() -> list[str]:
    return [_("value"), _("low"), _("high"), _("number"), _("expected"), _("alarm")]


def _cells(measure: dict[str, Any]) -> list[Any]:
    return [measure[name] for name in ("value", "low", "high", "trials", "expected", "alarm")]
