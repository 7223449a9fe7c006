"""A labeler's own answers, skips and pace."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labeling.charts.lines import Chart, Series, line_chart
from labeling.forms import filled_form
from labeling.requests import SignedIn
from labeling.selectors.demonstrations import own_demonstrations
from labeling.selectors.history import Day, own_answers, own_skips, pace, shown_gold

A_PAGE = 20


@never_cache
@login_required
@require_safe
def history(request: SignedIn) -> HttpResponse:
    """Newest first; each answer in the words in which it was given."""
    answers = Paginator(own_answers(request.user), A_PAGE).get_page(request.GET.get("page"))
    rows = [
        (
            judgment,
            filled_form(judgment).in_words(),
            judgment.comparison.campaign.takes_answers,
        )
        for judgment in answers
    ]
    days = pace(request.user)
    context = {
        "answers": answers,
        "rows": rows,
        "skips": own_skips(request.user)[:A_PAGE],
        "written": own_demonstrations(request.user)[:A_PAGE],
        "latest": days[-1] if days else None,
        "charts": charts(days),
        "gold": shown_gold(request.user),
    }
    return render(request, "labeling/history.html", context)


def charts(days: list[Day]) -> list[Chart]:
    """How the pace changed; there is nothing to compare before the second day."""
    if len(days) < 2:
        return []
    today = timezone.localdate()
    lines = [
        ("per-hour", _("Answers an hour"), "", [day.per_hour for day in days]),
        ("seconds", _("Seconds an answer, median"), "s", [day.median_seconds for day in days]),
    ]
    made = [
        line_chart(
            key,
            title,
            [
                Series(
                    title,
                    [
                        (float((day.date - today).days), value)
                        for day, value in zip(days, values, strict=True)
                    ],
                )
            ],
            unit,
            x_name=_("Day, today is 0"),
        )
        for key, title, unit, values in lines
    ]
    return [chart for chart in made if chart is not None]
