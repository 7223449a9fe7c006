"""How far the judges of a campaign agree: counted by the database, estimated by statistics.

Items that were answered alike are counted together there (see statistics/agreement.py), so what
comes back is small however many judgments there are.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from django.db import connection

from labeling.models import Campaign
from labeling.statistics.agreement import (
    Estimate,
    Level,
    Ratings,
    alpha,
    cohen,
    fleiss,
    percent,
    ratings,
)

# The eleven answers there are, in one order for all counts below.
STEPS = [-4, -3, -2, -1, 1, 2, 3, 4]
EQUALS = ["tie", "both_good", "both_bad"]
ON_SCALE = [*STEPS, 0, 0, 0]
# What was chosen, strength aside: first, second, or one of the equal answers.
CHOICE = [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4]

STANDING = """
SELECT j.id, j.comparison_id, c.prompt_id, j.preference, j.equal, j.aspects, j.created_at,
       CASE WHEN j.labeler_id IS NOT NULL THEN 'u' || j.labeler_id
            WHEN j.ai_judge_id IS NOT NULL THEN 'p' || j.ai_judge_id
            ELSE 'i' || j.imported_from_id || ':' || j.annotator END AS judge
FROM labeling_judgment j JOIN labeling_comparison c ON c.id = j.comparison_id
WHERE c.campaign_id = %(campaign)s AND j.judge_kind = %(judges)s AND NOT j.retracted
      AND j.purpose = 'data'
      AND NOT EXISTS (SELECT FROM labeling_judgment n WHERE n.supersedes_id = j.id)
      AND NOT EXISTS (SELECT FROM labeling_tombstone t WHERE t.judgment_id = j.id)
"""
# Without those who are held back: what they judged is no data at the moment.
DATA = f"""{STANDING}
      AND NOT EXISTS (SELECT FROM labeling_hold h WHERE h.campaign_id = c.campaign_id
                      AND h.labeler_id = j.labeler_id AND h.lifted_at IS NULL)
"""
_COUNTS = ", ".join(
    [f"count(*) FILTER (WHERE preference = {step})" for step in STEPS]
    + [f"count(*) FILTER (WHERE equal = '{equal}')" for equal in EQUALS]
)
# A pair belongs to the week in which it got its last judgment.
BY_ITEM = f"""
WITH standing AS ({DATA})
SELECT category, week, answers, count(*) FROM (
    SELECT p.category, date_trunc('week', max(s.created_at))::date AS week,
           ARRAY[{_COUNTS}] AS answers
    FROM standing s JOIN labeling_prompt p ON p.id = s.prompt_id
    GROUP BY s.comparison_id, p.category HAVING count(*) > 1
) item GROUP BY 1, 2, 3
"""  # noqa: S608
BY_ASPECT = f"""
WITH standing AS ({DATA})
SELECT aspect, answers, count(*) FROM (
    SELECT a.key AS aspect, ARRAY[{
    ", ".join(f"count(*) FILTER (WHERE a.value::int = {step})" for step in range(-4, 5))
}] AS answers
    FROM standing s, jsonb_each_text(s.aspects) a
    GROUP BY s.comparison_id, a.key HAVING count(*) > 1
) item GROUP BY 1, 2
"""  # noqa: S608
BY_PAIR_OF = """
WITH standing AS MATERIALIZED ({judgments}),
choice AS MATERIALIZED (
    SELECT comparison_id, judge, CASE WHEN preference < 0 THEN 0 WHEN preference > 0 THEN 1
        WHEN equal = 'tie' THEN 2 WHEN equal = 'both_good' THEN 3 ELSE 4 END AS said
    FROM standing
)
SELECT one.judge, other.judge, one.said, other.said, count(*)
FROM choice one JOIN choice other
     ON other.comparison_id = one.comparison_id AND other.judge > one.judge
GROUP BY 1, 2, 3, 4
"""
BY_PAIR = BY_PAIR_OF.format(judgments=DATA)


def agreement_figures(campaign: Campaign, judges: str) -> dict[str, Any]:
    """Everything the agreement page shows, ready to be stored as JSON.

    Weeks are in order, all else by how many items it rests on.
    """
    asked = {"campaign": campaign.pk, "judges": judges}
    items = [
        (category, week, answers, times) for category, week, answers, times in rows(BY_ITEM, asked)
    ]
    whole = [(answers, times) for *_, answers, times in items]
    by_category = grouped(((category, answers), times) for category, _, answers, times in items)
    by_week = grouped(((week.isoformat(), answers), times) for _, week, answers, times in items)
    aspects = grouped(
        ((aspect, answers), times) for aspect, answers, times in rows(BY_ASPECT, asked)
    )
    chosen, scaled = by_choice(whole), on_scale(whole)
    return {
        "items": chosen.items,
        "whole": {
            "percent": asdict(percent(chosen)),
            "fleiss": asdict(fleiss(chosen)),
            "nominal": asdict(alpha(chosen, Level.NOMINAL)),
            "ordinal": asdict(alpha(scaled, Level.ORDINAL)),
            "interval": asdict(alpha(scaled, Level.INTERVAL)),
        },
        "categories": parts(by_category, by_choice, Level.NOMINAL),
        "weeks": sorted(parts(by_week, by_choice, Level.NOMINAL), key=lambda part: part["name"]),
        "aspects": parts(aspects, aspect_scale, Level.ORDINAL),
        "pairs": pairs_of_judges(asked),
    }


def rows(sql: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, asked)
        return cursor.fetchall()


Kinds = list[tuple[Sequence[int], int]]  # (how often each answer was given, items like that)


def grouped(
    found: Iterable[tuple[tuple[Hashable, Sequence[int]], int]],
) -> dict[Any, Kinds]:
    groups: dict[Any, Kinds] = defaultdict(list)
    for (name, answers), times in found:
        groups[name].append((answers, times))
    return groups


def by_choice(kinds: Kinds) -> Ratings:
    return ratings(_summed(kinds, CHOICE), range(5))


def on_scale(kinds: Kinds) -> Ratings:
    return ratings(_summed(kinds, [step + 4 for step in ON_SCALE]), range(-4, 5))


def aspect_scale(kinds: Kinds) -> Ratings:
    return ratings(kinds, range(-4, 5))


def _summed(kinds: Kinds, place: Sequence[int]) -> Kinds:
    """Counts of the answers there are as counts of what they mean; kinds alike stand together."""
    if not kinds:
        return []
    counts = np.zeros((len(kinds), max(place) + 1), dtype=int)
    np.add.at(counts.T, list(place), np.array([answers for answers, _ in kinds]).T)
    alike, where = np.unique(counts, axis=0, return_inverse=True)
    times = np.bincount(where.ravel(), weights=[number for _, number in kinds])
    return [(row, int(number)) for row, number in zip(alike.tolist(), times, strict=True)]


def parts(
    groups: dict[Any, Kinds], table: Callable[[Kinds], Ratings], level: Level
) -> list[dict[str, Any]]:
    """Agreement within each part, those with the most items first."""
    tables = sorted(
        ((name, table(kinds)) for name, kinds in groups.items()),
        key=lambda part: (-part[1].items, part[0]),
    )
    return [
        {"name": name, "percent": asdict(percent(one)), "alpha": asdict(alpha(one, level))}
        for name, one in tables
    ]


def pairs_of_judges(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """How far each two judges agree who answered the same pairs, the most pairs first."""
    tables: dict[tuple[str, str], np.ndarray] = {}
    for one, other, said, answered, times in rows(BY_PAIR, asked):
        cells = tables.setdefault((one, other), np.zeros((5, 5), dtype=int))
        cells[said, answered] += times
    found = [
        {"one": one, "other": other, **_of_two(cells)} for (one, other), cells in tables.items()
    ]
    return sorted(found, key=lambda pair: (-pair["percent"]["items"], pair["one"], pair["other"]))


def _of_two(cells: np.ndarray) -> dict[str, Any]:
    items = int(cells.sum())
    agreed = int(np.trace(cells))
    # Two answers an item, equal or not: that much is all a percentage needs to know.
    same = ratings([((2, 0), agreed), ((1, 1), items - agreed)], range(2))
    estimate: Estimate = percent(same)
    return {"percent": asdict(estimate), "kappa": asdict(cohen(cells.tolist()))}
