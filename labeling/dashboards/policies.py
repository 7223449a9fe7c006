"""How good the policies are beside each other, as the manager reads it."""

from typing import Any

from django.utils.translation import gettext as _

from labeling.charts.intervals import Figure, Intervals, intervals
from labeling.charts.lines import figure
from labeling.charts.matrices import matrix
from labeling.dashboards.judges import names_of
from labeling.dashboards.sections import MOST_SHOWN, Section
from labeling.models import Campaign
from labeling.statistics import Share, share

MOST_POLICIES = 10  # in the matrix; the file has all


def sections(campaign: Campaign, figures: dict[str, Any]) -> list[Section]:
    whole = figures["whole"]
    if whole is None:
        return [
            Section(
                "ratings",
                _("Ratings"),
                _("No pair of two different policies has been judged by these yet."),
                [],
                [_("policy")],
                [],
            )
        ]
    names = names_of(rating["policy"] for rating in whole["ratings"])
    made = [_ratings(whole, names), _wins(whole, names)]
    if figures["categories"]:
        made.append(_categories(figures["categories"], names))
    return made


def in_words(whole: dict[str, Any], names: dict[str, str]) -> str:
    """Who leads, and whether by more than chance, in a sentence or two."""
    best, *others = whole["ratings"]
    told = {"best": names[best["policy"]], "rating": f"{best['value']:.2f}"}
    behind = [other for other in others if other["high"] < best["low"]]
    if others and len(behind) == len(others):
        return _("%(best)s leads with %(rating)s, by more than chance.") % told
    told["other"] = names[others[0]["policy"]]
    return (
        _(
            "%(best)s leads with %(rating)s, but its interval overlaps with that of %(other)s: "
            "more pairs of these two would tell."
        )
        % told
    )


def _ratings(whole: dict[str, Any], names: dict[str, str]) -> Section:
    alarms = []
    if not whole["comparable"]:
        alarms.append(
            _(
                "Some policies never won against the others, or never lost to them, or never met "
                "them: how far apart they are is not known, only in which direction."
            )
        )
    ties = _("Each pair counts once, for what more judges said; a tie is half a win for both.")
    if whole["ties"]:
        ties += " " + _(
            "Where ties are modelled instead (Davidson), two equals tie %(ties)s times for two "
            "decisions."
        ) % {"ties": figure(whole["ties"])}
    return Section(
        "ratings",
        _("Ratings"),
        f"{in_words(whole, names)} {ties}",
        [
            _drawn(
                "ratings",
                _("Bradley-Terry rating: 1 more means e times as many wins as defeats"),
                whole["ratings"][:MOST_SHOWN],
                names,
            )
        ],
        [
            *(_("policy"), _("rating"), _("low"), _("high"), _("pairs")),
            _("rating with ties modelled"),
        ],
        [
            [names[r["policy"]], r["value"], r["low"], r["high"], r["games"], r["davidson"]]
            for r in whole["ratings"]
        ],
        alarms,
    )


def _drawn(
    key: str, title: str, ratings: list[dict[str, Any]], names: dict[str, str]
) -> Intervals | None:
    return intervals(
        key,
        title,
        _("policy"),
        [Figure(names[r["policy"]], r["value"], r["low"], r["high"], r["games"]) for r in ratings],
        value_name=_("rating"),
        count_name=_("pairs"),
        scale=(-0.5, 0.5),
        reference=0.0,
    )


def _wins(whole: dict[str, Any], names: dict[str, str]) -> Section:
    """The rate at which each policy wins against each other, best first."""
    order = [names[rating["policy"]] for rating in whole["ratings"]]
    wins, met = whole["wins"], whole["met"]
    shares = [
        [won / games if games else 0.0 for won, games in zip(row, numbers, strict=True)]
        for row, numbers in zip(wins, met, strict=True)
    ]
    few = slice(0, MOST_POLICIES)
    rows = []
    for a, one in enumerate(order):
        for b, other in enumerate(order):
            won = _share(wins[a][b], met[a][b])
            if a != b and won is not None:
                rows.append([one, other, shares[a][b], won.low, won.high, int(met[a][b])])
    return Section(
        "wins",
        _("Who wins against whom"),
        _(
            "How often the policy of the row wins against that of the column, and in how many "
            "pairs they met."
        ),
        [
            matrix(
                "wins",
                _("Share of wins, half of the ties included"),
                order[few],
                [row[few] for row in shares[few]],
                [row[few] for row in met[few]],
            )
        ],
        [_("policy"), _("against"), _("share"), _("low"), _("high"), _("pairs")],
        rows,
    )


def _share(wins: float, met: float) -> Share | None:
    """Wins that hold halves of ties: rounded down, which keeps the interval on the careful side."""
    return share(int(wins), int(met))


def _categories(categories: list[dict[str, Any]], names: dict[str, str]) -> Section:
    return Section(
        "categories",
        _("By category"),
        "",
        [
            _drawn(
                f"category-{number}",
                category["name"] or _("without a category"),
                category["ratings"][:6],
                names,
            )
            for number, category in enumerate(categories)
        ],
        [_("category"), _("policy"), _("rating"), _("low"), _("high"), _("pairs")],
        [
            [category["name"], names[r["policy"]], r["value"], r["low"], r["high"], r["games"]]
            for category in categories
            for r in category["ratings"]
        ],
    )
