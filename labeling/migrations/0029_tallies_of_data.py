"""Tallies count answers that are data: withdrawn ones leave, checks of the labeler never come in."""

from django.db import migrations

# What a set of judgments adds to the tallies: an answer that stands, its time, its price. One that
# supersedes another takes the other's answer away from the day on which that was given, unless a
# withdrawal did so before. What a ranking says about each two responses is one answer together.
ADDED = """
SELECT campaign_id, labeler_id, judge_kind, day, sum(answers)::int, sum(seconds), sum(cost) FROM (
    SELECT c.campaign_id, j.labeler_id, j.judge_kind,
           (j.created_at AT TIME ZONE 'UTC')::date AS day,
           (NOT j.retracted AND j.purpose = 'data')::int AS answers,
           coalesce(j.seconds, 0) AS seconds,
           CASE WHEN j.supersedes_id IS NULL THEN coalesce(a.price, 0) ELSE 0 END AS cost
    FROM added j JOIN labeling_comparison c ON c.id = j.comparison_id
         LEFT JOIN labeling_assignment a ON a.id = j.assignment_id
    WHERE j.part_of_id IS NULL
    UNION ALL
    SELECT c.campaign_id, o.labeler_id, o.judge_kind,
           (o.created_at AT TIME ZONE 'UTC')::date, -1, 0, 0
    FROM added j JOIN labeling_judgment o ON o.id = j.supersedes_id
         JOIN labeling_comparison c ON c.id = o.comparison_id
    WHERE j.part_of_id IS NULL AND NOT o.retracted AND o.purpose = 'data'
          AND NOT EXISTS (SELECT FROM labeling_tombstone t WHERE t.judgment_id = o.id)
) change
GROUP BY 1, 2, 3, 4
"""
# What tombstones take away: answers that stood until then. Their time was spent, and their price
# stays promised.
WITHDRAWN = """
SELECT c.campaign_id, j.labeler_id, j.judge_kind, (j.created_at AT TIME ZONE 'UTC')::date,
       -count(*)::int, 0, 0
FROM added t JOIN labeling_judgment j ON j.id = t.judgment_id
     JOIN labeling_comparison c ON c.id = j.comparison_id
WHERE j.part_of_id IS NULL AND NOT j.retracted AND j.purpose = 'data'
      AND NOT EXISTS (SELECT FROM labeling_judgment n WHERE n.supersedes_id = j.id)
GROUP BY 1, 2, 3, 4
"""
TRUTH = """
SELECT c.campaign_id, j.labeler_id, j.judge_kind, (j.created_at AT TIME ZONE 'UTC')::date AS day,
       (count(*) FILTER (WHERE NOT j.retracted AND j.purpose = 'data'
                         AND n.id IS NULL AND t.id IS NULL))::int AS answers,
       sum(coalesce(j.seconds, 0)) AS seconds,
       sum(CASE WHEN j.supersedes_id IS NULL THEN coalesce(a.price, 0) ELSE 0 END) AS cost
FROM labeling_judgment j JOIN labeling_comparison c ON c.id = j.comparison_id
     LEFT JOIN labeling_assignment a ON a.id = j.assignment_id
     LEFT JOIN labeling_judgment n ON n.supersedes_id = j.id
     LEFT JOIN labeling_tombstone t ON t.judgment_id = j.id
WHERE j.part_of_id IS NULL
GROUP BY 1, 2, 3, 4
"""
COLUMNS = "campaign_id, labeler_id, judge_kind, day, answers, seconds, cost"


def add(rows: str) -> str:
    """In one order, so that two statements never wait for each other's rows."""
    return f"""
    INSERT INTO labeling_tally ({COLUMNS}) {rows} ORDER BY 1, 3, 2, 4
    ON CONFLICT (campaign_id, judge_kind, labeler_id, day) DO UPDATE
    SET answers = labeling_tally.answers + excluded.answers,
        seconds = labeling_tally.seconds + excluded.seconds,
        cost = labeling_tally.cost + excluded.cost
    """  # noqa: S608


MADE = f"""
CREATE OR REPLACE FUNCTION labeling_tally_add() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {add(ADDED)};
    RETURN NULL;
END $$;
CREATE FUNCTION labeling_tally_withdraw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {add(WITHDRAWN)};
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER INSERT ON labeling_tombstone REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION labeling_tally_withdraw();
DROP VIEW labeling_tally_truth;
CREATE VIEW labeling_tally_truth AS {TRUTH};
SELECT labeling_tally_rebuild();
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0028_snapshot_orders")]

    # Nothing to undo: who goes back to the former functions has to make them anew.
    operations = [migrations.RunSQL(MADE)]
