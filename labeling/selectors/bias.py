"""What each judge of a campaign does whatever the pair, counted by the database."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from labeling.models import Campaign
from labeling.selectors.agreement import BY_PAIR_OF, EQUALS, STANDING, STEPS, rows
from labeling.selectors.votes import votes_of
from labeling.statistics import bias
from labeling.statistics.skill import fit_skill

# Headings, lists, quotes, code, tables and emphasis: what Markdown makes of plain text.
MARKS = r"(^|\n)\s*(#{1,6} |[-*+] |\d+[.)] |> |```|\|)|\*\*|`"

# What each judge answered, held ones too: what somebody did stays to be seen. What an order says
# about each two of its responses is one answer, not as many as there are pairs.
ANSWERS = f"{STANDING} AND j.part_of_id IS NULL"
BY_PAIR = BY_PAIR_OF.format(judgments=ANSWERS)

# Of each pair: which response is longer, and which has more Markdown; -1 first, 1 second.
PAIRS = """
SELECT c.id, sign(char_length(s.text) - char_length(f.text)) AS longer,
       sign(regexp_count(s.text, %(marks)s) - regexp_count(f.text, %(marks)s)) AS marked
FROM labeling_comparison c JOIN labeling_response f ON f.id = c.first_id
     JOIN labeling_response s ON s.id = c.second_id
WHERE c.campaign_id = %(campaign)s
"""
_SEEN = f"""
WITH standing AS MATERIALIZED ({ANSWERS}), pair AS MATERIALIZED ({PAIRS}),
seen AS (
    SELECT s.judge, s.created_at, s.preference, s.equal, p.longer, p.marked, j.seconds,
           a.first_on_left,
           CASE WHEN a.first_on_left THEN 1 ELSE -1 END * s.preference AS rightwards
    FROM standing s JOIN pair p ON p.id = s.comparison_id
         JOIN labeling_judgment j ON j.id = s.id
         LEFT JOIN labeling_assignment a ON a.id = j.assignment_id
)
"""  # noqa: S608
_KEYS = ", ".join(
    [f"count(*) FILTER (WHERE rightwards = {step})" for step in STEPS]
    + [f"count(*) FILTER (WHERE equal = '{equal}')" for equal in EQUALS]
)
LEANINGS = f"""{_SEEN}
SELECT judge, count(*),
       count(*) FILTER (WHERE first_on_left IS NOT NULL AND rightwards < 0),
       count(*) FILTER (WHERE first_on_left IS NOT NULL AND rightwards <> 0),
       count(*) FILTER (WHERE sign(preference) = longer AND longer <> 0),
       count(*) FILTER (WHERE preference <> 0 AND longer <> 0),
       count(*) FILTER (WHERE sign(preference) = marked AND marked <> 0),
       count(*) FILTER (WHERE preference <> 0 AND marked <> 0),
       ARRAY[{_KEYS}]
FROM seen GROUP BY judge
"""  # noqa: S608
# The median with its interval: order statistics at half, less and more 0.98 / sqrt(n).
PACE = f"""
WITH standing AS MATERIALIZED ({ANSWERS}), timed AS (
    SELECT s.judge, j.seconds, count(*) OVER (PARTITION BY s.judge) AS n
    FROM standing s JOIN labeling_judgment j ON j.id = s.id WHERE j.seconds > 0
)
SELECT judge, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
       percentile_cont(greatest(0, 0.5 - 0.98 / sqrt(n))) WITHIN GROUP (ORDER BY seconds),
       percentile_cont(least(1, 0.5 + 0.98 / sqrt(n))) WITHIN GROUP (ORDER BY seconds), n
FROM timed GROUP BY judge, n
"""  # noqa: S608
# Of each judge and day: how often another judge of the same pair gave the same answer.
BY_DAY = f"""
WITH standing AS MATERIALIZED ({ANSWERS}), choice AS MATERIALIZED (
    SELECT comparison_id, judge, created_at::date AS day,
           CASE WHEN preference = 0 THEN equal ELSE sign(preference)::text END AS said
    FROM standing
)
SELECT one.judge, one.day, count(*) FILTER (WHERE one.said = other.said), count(*)
FROM choice one JOIN choice other
     ON other.comparison_id = one.comparison_id AND other.judge <> one.judge
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608


# Answers to questions that are still asked and whose answer is known, by week.
GOLD = f"""
SELECT s.judge, date_trunc('week', s.created_at)::date,
       count(*) FILTER (WHERE sign(s.preference)
                        = CASE g."right" WHEN 'first' THEN -1 WHEN 'second' THEN 1 ELSE 0 END),
       count(*)
FROM ({STANDING.replace("j.purpose = 'data'", "j.purpose = 'gold'")}) s
     JOIN labeling_goldquestion g ON g.comparison_id = s.comparison_id
WHERE g.kind IN ('silent', 'attention') AND g.retired_at IS NULL
GROUP BY 1, 2 ORDER BY 2, 1
"""  # noqa: S608
UNSKILLED = 0.6  # of the pairs: whoever picks the better one no more often may as well toss a coin


def bias_figures(campaign: Campaign, judges: str) -> dict[str, Any]:
    """Everything the labelers' page shows: each measure by judge, and pairs that copy."""
    asked = {"campaign": campaign.pk, "judges": judges, "marks": MARKS}
    found = rows(LEANINGS, asked)
    people = len(found)
    answers = {row[0]: row[1] for row in found}
    left = {judge: bias.leaning(chosen, n, 0.5, people) for judge, _, chosen, n, *_ in found}
    shared, together = _together(asked)
    return {
        "answers": answers,
        "left": _kept(left),
        "longer": _kept(bias.beside_the_rest({r[0]: (r[4], r[5]) for r in found})),
        "marked": _kept(bias.beside_the_rest({r[0]: (r[6], r[7]) for r in found})),
        "seconds": _kept(bias.pace({row[0]: tuple(row[1:]) for row in rows(PACE, asked)})),
        "entropy": _kept(bias.monotony({row[0]: row[8] for row in found})),
        "agreement": _kept(bias.beside_the_rest(together, side=-1)),
        "drift": _kept(_drift(asked, people)),
        "skill": _kept(_skill(campaign, judges)),
        **_gold(asked),
        "campaign": _kept(
            {
                "left": bias.leaning(sum(r[2] for r in found), sum(r[3] for r in found), 0.5, 1),
                "longer": bias.leaning(sum(r[4] for r in found), sum(r[5] for r in found), None, 1),
                "marked": bias.leaning(sum(r[6] for r in found), sum(r[7] for r in found), None, 1),
            }
        ),
        "copies": sorted(
            (
                {"one": one, "other": other, **asdict(measure)}
                for (one, other), measure in bias.copies(shared).items()
            ),
            key=lambda pair: (not pair["alarm"], -pair["value"], -pair["trials"]),
        ),
    }


Counts = tuple[int, int]


def _together(asked: dict[str, Any]) -> tuple[dict[tuple[str, str], Counts], dict[str, Counts]]:
    """By pair of judges: same and all of what both decided; by judge: same and all answers."""
    decided: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    each: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one, other, said, answered, times in rows(BY_PAIR, asked):
        for judge in (one, other):
            each[judge][0] += times * (said == answered)
            each[judge][1] += times
        if said < 2 and answered < 2:  # both preferred one to the other
            decided[one, other][0] += times * (said == answered)
            decided[one, other][1] += times
    return (
        {pair: (same, all_) for pair, (same, all_) in decided.items()},
        {judge: (same, all_) for judge, (same, all_) in each.items()},
    )


def _gold(asked: dict[str, Any]) -> dict[str, Any]:
    """Agreement with gold of each judge beside the others, and week by week."""
    weeks = rows(GOLD, asked)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for judge, _, right, all_ in weeks:
        counts[judge][0] += right
        counts[judge][1] += all_
    shares = {judge: (right, all_) for judge, (right, all_) in counts.items()}
    return {
        "gold": _kept(bias.beside_the_rest(shares, side=-1)),
        "gold_weeks": [[week.isoformat(), judge, right, n] for judge, week, right, n in weeks],
    }


def _skill(campaign: Campaign, judges: str) -> dict[str, bias.Measure | None]:
    """How often each picks the better of a pair, by what all answers together say.

    Empty where no pair was judged twice: then nobody can be judged by others.
    """
    votes = votes_of(campaign, [judges])
    if votes is None or votes.counts.sum(axis=1).max() < 2:
        return {}
    fit = fit_skill(votes)
    given = dict(zip(votes.judges, np.bincount(votes.judge).tolist(), strict=True))
    known = sorted(found.value for found in fit.skill.values())
    usual = known[len(known) // 2]
    return {
        judge: bias.Measure(
            found.value,
            found.low,
            found.high,
            given[judge],
            usual,
            alarm=given[judge] >= bias.FEWEST and found.high < UNSKILLED,
        )
        for judge, found in fit.skill.items()
    }


def _drift(asked: dict[str, Any], people: int) -> dict[str, bias.Measure | None]:
    """Agreement with the others in the later half of each one's answers, less the earlier."""
    days: dict[str, list[Counts]] = defaultdict(list)
    for judge, _, same, all_ in rows(BY_DAY, asked):
        days[judge].append((same, all_))
    found = {}
    for judge, counts in days.items():
        total, so_far, early = sum(n for _, n in counts), 0, [0, 0]
        for same, n in counts:
            if so_far + n / 2 > total / 2:
                break
            so_far += n
            early[0] += same
            early[1] += n
        late = sum(same for same, _ in counts) - early[0], total - early[1]
        found[judge] = bias.drift((early[0], early[1]), late, people)
    return found


def _kept(measures: dict[str, Any]) -> dict[str, Any]:
    return {who: asdict(measure) for who, measure in measures.items() if measure is not None}
