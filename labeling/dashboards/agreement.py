"""How far labelers agree, as the manager reads it."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.charts.intervals import Figure, intervals
from labeling.dashboards.judges import names_of
from labeling.dashboards.sections import MOST_SHOWN, Section
from labeling.models import Campaign

WHOLE = {
    "percent": gettext_lazy("Percent agreement"),
    "fleiss": gettext_lazy("Fleiss' kappa"),
    "nominal": gettext_lazy("Krippendorff's alpha, nominal"),
    "ordinal": gettext_lazy("Krippendorff's alpha, ordinal"),
    "interval": gettext_lazy("Krippendorff's alpha, interval"),
}
WHY = {
    "nobody_twice": gettext_lazy("no pair was judged by two"),
    "one_value": gettext_lazy("all answers are the same, so chance would agree as well"),
}
# Krippendorff 2004, Content Analysis, p. 241.
RELIABLE, TENTATIVE = 0.8, 0.667


def sections(campaign: Campaign, figures: dict[str, Any]) -> list[Section]:
    made = [_whole(figures["whole"])]
    plan = [
        ("aspects", _("By aspect"), _("aspect"), _("Alpha of each aspect, ordinal")),
        ("categories", _("By category"), _("category"), _("Alpha in each category")),
        ("weeks", _("By week"), _("week from"), _("Alpha in each week")),
    ]
    made += [
        _part(key, title, name, drawn, figures[key])
        for key, title, name, drawn in plan
        if any(part["percent"]["items"] for part in figures[key])
    ]
    if figures["pairs"]:
        made.append(_pairs(figures["pairs"]))
    return made


def verdict(alpha: dict[str, Any]) -> str:
    """What the nominal alpha means, in a sentence."""
    if alpha["value"] is None:
        return _("Agreement beyond chance is not known: %(why)s.") % {"why": WHY[alpha["reason"]]}
    words = {"alpha": f"{alpha['value']:.2f}"}
    if alpha["value"] >= RELIABLE:
        return _("Alpha is %(alpha)s: labels one can rely on.") % words
    if alpha["value"] >= TENTATIVE:
        return _("Alpha is %(alpha)s: good enough for tentative conclusions.") % words
    return (
        _(
            "Alpha is %(alpha)s: labelers see many pairs differently. Read the pairs they differ "
            "on, and sharpen the guidelines or learn from the shares of votes."
        )
        % words
    )


def _whole(whole: dict[str, Any]) -> Section:
    return Section(
        "whole",
        _("All pairs judged twice or more"),
        verdict(whole["nominal"]),
        [
            intervals(
                "whole",
                _("Agreement; 0 is what chance would bring, percentages aside"),
                _("measure"),
                [_figure(str(words), whole[key]) for key, words in WHOLE.items()],
                value_name=_("value"),
                count_name=_("pairs"),
                reference=RELIABLE,
            )
        ],
        [_("measure"), *_columns()],
        [[str(words), *_cells(whole[key])] for key, words in WHOLE.items()],
    )


def _part(key: str, title: str, name: str, drawn: str, parts: Sequence[dict[str, Any]]) -> Section:
    shown = parts[-MOST_SHOWN:] if key == "weeks" else parts[:MOST_SHOWN]
    return Section(
        key,
        title,
        "",
        [
            intervals(
                key,
                drawn,
                name,
                [_figure(part["name"] or _("none"), part["alpha"]) for part in shown],
                value_name=_("alpha"),
                count_name=_("pairs"),
                reference=RELIABLE,
            )
        ],
        [name, _("percent"), *_columns()],
        [[part["name"], part["percent"]["value"], *_cells(part["alpha"])] for part in parts],
    )


def _pairs(pairs: Sequence[dict[str, Any]]) -> Section:
    names = names_of({pair[side] for pair in pairs for side in ("one", "other")})

    def both(pair: dict[str, Any]) -> str:
        return f"{names[pair['one']]} – {names[pair['other']]}"

    return Section(
        "pairs",
        _("By pair of labelers"),
        _("Who sees things differently from whom, those who share the most pairs first."),
        [
            intervals(
                "pairs",
                _("Cohen's kappa"),
                _("labelers"),
                [_figure(both(pair), pair["kappa"]) for pair in pairs[:MOST_SHOWN]],
                value_name=_("kappa"),
                count_name=_("pairs"),
                reference=RELIABLE,
            )
        ],
        [_("one"), _("other"), _("percent"), *_columns()],
        [
            [names[p["one"]], names[p["other"]], p["percent"]["value"], *_cells(p["kappa"])]
            for p in pairs
        ],
    )


def _figure(name: str, estimate: dict[str, Any]) -> Figure:
    why = str(WHY[estimate["reason"]]) if estimate["reason"] else ""
    return Figure(
        name, estimate["value"], estimate["low"], estimate["high"], estimate["items"], why
    )


def _columns() -> list[str]:
    return [_("value"), _("low"), _("high"), _("pairs"), _("why there is none")]


def _cells(estimate: dict[str, Any]) -> list[Any]:
    why = str(WHY[estimate["reason"]]) if estimate["reason"] else ""
    return [estimate["value"], estimate["low"], estimate["high"], estimate["items"], why]
