"""What the rules by which pairs are chosen are worth: each arm beside the pairs left to chance."""

from collections import defaultdict
from math import log, sqrt
from typing import Any

from django.db.models import Avg, Case, Count, F, FloatField, Q, StdDev, Value, When
from django.db.models.functions import Greatest, Least, Ln

from labeling.models import Campaign
from labeling.selectors.judgments import current_judgments
from labeling.statistics.information import Met, bits, strengths

LEAST = 1e-6  # a chance below surprises no more: the logarithm has to end somewhere


def arm_figures(campaign: Campaign, judges: str) -> list[dict[str, Any]]:
    """For each arm: pairs, judgments, ties, and what a label of it taught.

    `surprise` is how many bits a decided label surprised the reward model that was there when the
    pair was chosen: what it could not have said itself. `ranking` is by how many bits a label
    shrinks what is not known about the ranking of the policies.
    """
    counted = _counted(campaign, judges)
    informed = _informed(campaign, judges)
    return [
        {**row, "ranking": informed.get(row["arm"])} for row in sorted(counted, key=_control_first)
    ]


def _control_first(row: dict[str, Any]) -> tuple[bool, str]:
    return (row["arm"] != "random", row["arm"])


def _counted(campaign: Campaign, judges: str) -> list[dict[str, Any]]:
    chance = F("comparison__choice__chance")
    given = Case(
        When(preference__lt=0, then=chance),
        When(preference__gt=0, then=Value(1.0) - chance),
        output_field=FloatField(),
    )
    surprise = -Ln(Greatest(given, Value(LEAST))) / Value(log(2))
    decided = Q(comparison__choice__chance__isnull=False) & ~Q(preference=0)
    rows = (
        current_judgments(campaign, [judges])
        .filter(comparison__choice__isnull=False)
        .values(arm=F("comparison__choice__arm"))
        .annotate(
            judgments=Count("id"),
            pairs=Count("comparison", distinct=True),
            ties=Count("id", filter=Q(preference=0)),
            surprise=Avg(surprise, filter=decided),
            spread=StdDev(surprise, filter=decided, sample=True),
            decided=Count("id", filter=decided),
        )
        .order_by()
    )
    return [_with_error({**row}) for row in rows]


def _with_error(row: dict[str, Any]) -> dict[str, Any]:
    spread = row.pop("spread")
    known = spread is not None and row["decided"] > 1
    row["surprise_se"] = spread / sqrt(row["decided"]) if known else None
    return row


def _informed(campaign: Campaign, judges: str) -> dict[str, float]:
    """Bits about the ranking that a label of each arm brought."""
    first, second = "comparison__first__policy", "comparison__second__policy"
    in_order = Q(**{f"{first}__lte": F(second)})
    wins = (in_order & Q(preference__lt=0)) | (~in_order & Q(preference__gt=0))
    rows = list(
        current_judgments(campaign, [judges])
        .filter(comparison__choice__isnull=False)
        .annotate(one=Least(first, second), other=Greatest(first, second))
        .values("one", "other", arm=F("comparison__choice__arm"))
        .annotate(
            judgments=Count("id"),
            wins=Count("id", filter=wins),
            ties=Count("id", filter=Q(preference=0)),
        )
        .order_by()
    )
    players = {
        pk: place
        for place, pk in enumerate(sorted({r[side] for r in rows for side in ("one", "other")}))
    }
    by_arm: dict[str, list[Met]] = defaultdict(list)
    labels: dict[str, int] = defaultdict(int)
    for row in rows:
        met = Met(
            players[row["one"]],
            players[row["other"]],
            row["wins"] + row["ties"] / 2,
            row["judgments"],
        )
        by_arm[row["arm"]].append(met)
        labels[row["arm"]] += row["judgments"]
    if len(players) < 2:
        return {}
    between = [each for met in by_arm.values() for each in met if each.one != each.other]
    at = strengths(between, len(players))
    return {arm: bits(met, at) / labels[arm] for arm, met in by_arm.items()}
