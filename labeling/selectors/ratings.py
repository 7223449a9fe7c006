"""How good the policies of a campaign are, by what its judges say together about each pair."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from labeling.models import Campaign
from labeling.selectors.agreement import DATA, rows
from labeling.statistics.ratings import Games, games, rate, tables

# Each pair of two policies counts once: for whom more votes are, or for neither where more votes
# than for either are equal, or as many for the one as for the other.
GAMES = f"""
WITH standing AS ({DATA})
SELECT one.policy_id, other.policy_id, g.outcome, g.prompt_id, p.category FROM (
    SELECT s.comparison_id, s.prompt_id,
           CASE WHEN count(*) FILTER (WHERE s.preference = 0)
                     > greatest(count(*) FILTER (WHERE s.preference < 0),
                                count(*) FILTER (WHERE s.preference > 0)) THEN 0
                ELSE sign(count(*) FILTER (WHERE s.preference > 0)
                          - count(*) FILTER (WHERE s.preference < 0))::int END AS outcome
    FROM standing s GROUP BY s.comparison_id, s.prompt_id
) g JOIN labeling_comparison c ON c.id = g.comparison_id
    JOIN labeling_response one ON one.id = c.first_id
    JOIN labeling_response other ON other.id = c.second_id
    JOIN labeling_prompt p ON p.id = g.prompt_id
WHERE one.policy_id <> other.policy_id
"""  # noqa: S608
MOST_CATEGORIES = 12  # those with the most pairs
FEWEST = 20  # pairs of a category, below which its ratings would be guesses


def policy_figures(campaign: Campaign, judges: str) -> dict[str, Any]:
    """Everything the page of policies shows; policies are named "p3"."""
    found = [
        (f"p{one}", f"p{other}", outcome, prompt, category)
        for one, other, outcome, prompt, category in rows(
            GAMES, {"campaign": campaign.pk, "judges": judges}
        )
    ]
    by_category: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        by_category[row[4]].append(row)
    largest = sorted(by_category, key=lambda name: (-len(by_category[name]), name))
    return {
        "pairs": len(found),
        "whole": _rated(games([row[:4] for row in found])) if found else None,
        "categories": [
            {
                "name": name,
                "pairs": len(by_category[name]),
                **_rated(games([row[:4] for row in by_category[name]])),
            }
            for name in largest[:MOST_CATEGORIES]
            if len(by_category) > 1 and len(by_category[name]) >= FEWEST
        ],
    }


def _rated(played: Games) -> dict[str, Any]:
    """Ratings, best first, and wins and meetings of each against each in that order."""
    found = rate(played)
    wins, met = tables(played)
    order = [played.players.index(name) for name in found.of]
    return {
        "ties": found.ties,
        "comparable": found.comparable,
        "ratings": [{"policy": name, **asdict(rating)} for name, rating in found.of.items()],
        "wins": [[float(wins[a, b]) for b in order] for a in order],
        "met": [[float(met[a, b]) for b in order] for a in order],
    }
