"""What the answers of a campaign cost, as the manager reads it: from tallies, so always now."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from labeling.charts.lines import Series, line_chart
from labeling.dashboards.judges import names_of
from labeling.dashboards.sections import Section
from labeling.models import Campaign
from labeling.selectors.tallies import answers_open, work_by_day, work_by_labeler


def sections(campaign: Campaign, judges: str) -> list[Section]:
    days = work_by_day(campaign, judges)
    spent = sum((work.cost for work in days.values()), Decimal(0))
    if not days or (campaign.price is None and not spent):
        return []
    today = timezone.localdate()
    so_far, points = Decimal(0), []
    for day, work in days.items():
        so_far += work.cost
        points.append((float((day - today).days), float(so_far)))
    budget = []
    if campaign.budget is not None:
        level = float(campaign.budget)
        budget = [Series(_("budget"), [(points[0][0] - 1, level), (points[-1][0], level)])]
    return [
        Section(
            "cost",
            _("Cost so far"),
            in_words(campaign, spent, answers_open(campaign)),
            [
                line_chart(
                    "cost", _("Cost"), [Series(_("cost"), points), *budget],
                    x_name=_("Day, today is 0"),
                    from_zero=True,
                )
            ],
            [_("day"), _("cost so far")],
            [[(today + timedelta(days=x)).isoformat(), total] for x, total in points],
        ),
        _by_labeler(campaign, judges),
    ]  # fmt: skip


def in_words(campaign: Campaign, spent: Decimal, left: int) -> str:
    """What was spent, what the rest will cost, and how that compares with the budget."""
    sentences = [_("%(spent)s so far.") % {"spent": _money(spent)}]
    if campaign.price is not None and left:
        whole = spent + campaign.price * left
        sentences.append(
            _("The rest costs %(rest)s at %(price)s each, so that all of it costs %(whole)s.")
            % {
                "rest": _money(campaign.price * left),
                "price": _money(campaign.price),
                "whole": _money(whole),
            }
        )
        if campaign.budget is not None and whole > campaign.budget:
            sentences.append(
                _("That is %(over)s more than the budget of %(budget)s.")
                % {"over": _money(whole - campaign.budget), "budget": _money(campaign.budget)}
            )
    return " ".join(sentences)


def _by_labeler(campaign: Campaign, judges: str) -> Section:
    found = work_by_labeler(campaign, judges)
    names = names_of(f"u{who}" for who in found)
    return Section(
        "by-labeler",
        _("By labeler"),
        "",
        [],
        [_("labeler"), _("answers"), _("cost"), _("an hour")],
        [
            [
                names[f"u{who}"],
                work.answers,
                round(float(work.cost), 2),
                round(float(work.cost) / work.hours, 2) if work.hours else None,
            ]
            for who, work in found.items()
        ],
        listed=True,
    )


def _money(amount: Decimal) -> str:
    return number_format(amount.quantize(Decimal("0.01")), 2, force_grouping=True)
