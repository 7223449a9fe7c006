"""How far a campaign is and when it ends, as the manager reads it: from tallies, so always now."""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.charts.lines import Series, figure, line_chart
from labeling.dashboards.judges import names_of
from labeling.dashboards.sections import Section
from labeling.models import Campaign
from labeling.selectors.tallies import (
    Work,
    answers_given,
    answers_open,
    recent_answers,
    work_by_day,
    work_by_labeler,
)
from labeling.statistics.forecast import Forecast, forecast

LONGEST = 3650  # days; an end beyond is none


def sections(campaign: Campaign, judges: str) -> list[Section]:
    days = work_by_day(campaign, judges)
    if not days:
        return []
    given, left = answers_given(campaign), answers_open(campaign)
    today = timezone.localdate()
    ahead = forecast(recent_answers(days, today), left) if left else None
    return [
        _end(days, given, left, ahead, today),
        _by_day(days, today),
        by_labeler(campaign, judges),
    ]


def _end(
    days: dict[date, Work], given: int, left: int, ahead: Forecast | None, today: date
) -> Section:
    so_far, points = 0, []
    for day, work in days.items():
        so_far += work.answers
        points.append((float((day - today).days), float(so_far)))
    drawn = [Series(_("given"), points)]
    if ahead is not None and ahead.days < LONGEST:
        drawn.append(
            Series(_("forecast"), [(0.0, float(so_far)), (ahead.days, float(so_far + left))])
        )
    return Section(
        "end",
        _("Answers given, and the end"),
        in_words(given, left, ahead, today),
        [
            line_chart(
                "end", _("Answers so far"), drawn, x_name=_("Day, today is 0"), from_zero=True
            )
        ],
        [_("day"), _("answers so far")],
        [[(today + timedelta(days=x)).isoformat(), int(total)] for x, total in points],
    )


def in_words(given: int, left: int, ahead: Forecast | None, today: date) -> str:
    """How far it is and when it ends, in one or two sentences."""
    done = _("%(given)s of %(wanted)s answers are given.") % {
        "given": figure(given),
        "wanted": figure(given + left),
    }
    if not left:
        return done
    if ahead is None:
        return f"{done} " + _("After two days of work there will be a forecast of the end.")
    if ahead.days > LONGEST:
        return f"{done} " + _("At the pace of the last days the end is not in sight.")
    words = {"end": _day(today, ahead.days), "soonest": _day(today, ahead.soonest)}
    if ahead.latest is None or ahead.latest > LONGEST:
        return (
            f"{done} "
            + _(
                "At the pace of the last days the end is on %(end)s; not before %(soonest)s, and "
                "the days differ too much to say by when at the latest."
            )
            % words
        )
    return f"{done} " + _(
        "At the pace of the last days the end is on %(end)s (between %(soonest)s and %(latest)s)."
    ) % {**words, "latest": _day(today, ahead.latest)}


def _day(today: date, days: float) -> str:
    return date_format(today + timedelta(days=round(days)), "DATE_FORMAT")


def _by_day(days: dict[date, Work], today: date) -> Section:
    answers = [(float((day - today).days), float(work.answers)) for day, work in days.items()]
    hours = [(float((day - today).days), work.hours) for day, work in days.items()]
    return Section(
        "days",
        _("By day"),
        ngettext("There is %(days)d day of work.", "There are %(days)d days of work.", len(days))
        % {"days": len(days)},
        [
            line_chart(
                "answers", _("Answers a day"), [Series(_("answers"), answers)],
                x_name=_("Day, today is 0"),
                from_zero=True,
            ),
            line_chart(
                "hours", _("Attention a day"), [Series(_("hours"), hours)], _("hours"),
                x_name=_("Day, today is 0"),
                from_zero=True,
            ),
        ],
        [_("day"), _("answers"), _("hours")],
        [[day.isoformat(), work.answers, round(work.hours, 3)] for day, work in days.items()],
    )  # fmt: skip


def by_labeler(campaign: Campaign, judges: str) -> Section:
    found = work_by_labeler(campaign, judges)
    names = names_of(f"u{who}" for who in found)
    rows: list[list[Any]] = [
        [names[f"u{who}"], work.answers, round(work.hours, 2), _hourly(work)]
        for who, work in found.items()
    ]
    return Section(
        "by-labeler",
        _("By labeler"),
        "",
        [],
        [_("labeler"), _("answers"), _("hours"), _("answers an hour")],
        rows,
        listed=True,
    )


def _hourly(work: Work) -> float | None:
    return round(work.answers / work.hours, 1) if work.hours else None
