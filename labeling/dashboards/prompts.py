"""What a campaign asks, as the manager reads it before launch."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.charts.lines import figure
from labeling.dashboards.sections import Section
from labeling.models import Campaign


def sections(campaign: Campaign, figures: dict[str, Any]) -> list[Section]:
    if not figures["prompts"]:
        return []
    return [_categories(figures), _near(figures), _leaks(figures)]


def warnings(figures: dict[str, Any]) -> list[str]:
    """What to look at before the campaign opens, in sentences; nothing where all is well."""
    found = []
    if figures["too_many"]:
        found.append(
            ngettext(
                "%(count)s prompt says nearly the same as another.",
                "%(count)s prompts say nearly the same as another.",
                figures["too_many"],
            )
            % {"count": figure(figures["too_many"])}
        )
    if figures["leaking"]:
        found.append(
            ngettext(
                "%(count)s prompt is nearly the same as one on the other side of the split into "
                "training and test: results on the test side would look too good.",
                "%(count)s prompts are nearly the same as one on the other side of the split into "
                "training and test: results on the test side would look too good.",
                figures["leaking"],
            )
            % {"count": figure(figures["leaking"])}
        )
    if figures["compared"] < figures["prompts"]:
        found.append(
            _("Only the first %(count)s prompts were compared.")
            % {"count": figure(figures["compared"])}
        )
    return found


def _categories(figures: dict[str, Any]) -> Section:
    total = figures["prompts"]
    return Section(
        "categories",
        _("By category"),
        "",
        [],
        [_("category"), _("prompts"), _("share")],
        [
            [part["name"] or _("none"), part["prompts"], round(part["prompts"] / total, 4)]
            for part in figures["categories"]
        ],
        listed=True,
    )


def _near(figures: dict[str, Any]) -> Section:
    words = {"share": f"{number_format(100 * figures['similar'], 0)} %"}
    return Section(
        "near",
        _("Nearly the same"),
        _(
            "Groups of prompts that have %(share)s or more of their five-character pieces in "
            "common, found by MinHash and then measured. Labelers would judge the same thing "
            "twice."
        )
        % words
        if figures["groups"]
        else _("No two prompts have %(share)s or more in common.") % words,
        [],
        [_("prompt"), _("another of its group"), _("prompts in the group")],
        [[group["one"], group["other"], group["prompts"]] for group in figures["groups"]],
        [text for text in warnings({**figures, "leaking": 0}) if text],
        listed=bool(figures["groups"]),
    )


def _leaks(figures: dict[str, Any]) -> Section:
    return Section(
        "leaks",
        _("On both sides of the split"),
        _(
            "One is learned from, the other is tested with, in this campaign or in another. "
            "Leave one of each out."
        )
        if figures["leaks"]
        else _("Nothing that is learned from says nearly the same as what is tested with."),
        [],
        [_("prompt"), _("nearly the same"), _("in common"), _("in another campaign")],
        [
            [leak["one"], leak["other"], leak["similarity"], _("yes") if leak["elsewhere"] else ""]
            for leak in figures["leaks"]
        ],
        warnings({**figures, "too_many": 0, "compared": figures["prompts"]}),
        listed=bool(figures["leaks"]),
    )
