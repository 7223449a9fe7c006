"""What was asked and said about each comparison, and its sums: kept by triggers, as tallies are."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

COUNTS = ["slots", "open", "skips", "people", "simulations", "ais", "imported"]

# Each kind of event as changes: (comparison, whose transaction, then the counts). `{rows}` is what
# was added, or for the truth all there is.
SLOTS = """
SELECT comparison_id, labeler_id, 1, (answered_at IS NULL)::int, 0, 0, 0, 0, 0
FROM {rows} WHERE purpose = 'data'
"""
SKIPS = """
SELECT comparison_id, labeler_id, 0, 0, 1, 0, 0, 0, 0 FROM {rows}
"""
ANSWER = """
SELECT j.comparison_id, j.labeler_id, 0, 0, 0, {sign} * (j.judge_kind = 'person')::int,
       {sign} * (j.judge_kind = 'simulation')::int, {sign} * (j.judge_kind = 'ai')::int,
       {sign} * (j.imported_from_id IS NOT NULL)::int
"""
STANDS = "NOT j.retracted AND j.purpose = 'data'"
# One that supersedes another takes the other's answer away, unless a withdrawal did so before.
JUDGED = f"""
{ANSWER.format(sign=1)} FROM added j WHERE {STANDS}
UNION ALL
{ANSWER.format(sign=-1)} FROM added n JOIN labeling_judgment j ON j.id = n.supersedes_id
WHERE {STANDS} AND NOT EXISTS (SELECT FROM labeling_tombstone t WHERE t.judgment_id = j.id)
"""
WITHDRAWN = f"""
{ANSWER.format(sign=-1)} FROM added t JOIN labeling_judgment j ON j.id = t.judgment_id
WHERE {STANDS} AND NOT EXISTS (SELECT FROM labeling_judgment n WHERE n.supersedes_id = j.id)
"""
STANDING = f"""
{ANSWER.format(sign=1)} FROM labeling_judgment j
     LEFT JOIN labeling_judgment n ON n.supersedes_id = j.id
     LEFT JOIN labeling_tombstone t ON t.judgment_id = j.id
WHERE {STANDS} AND n.id IS NULL AND t.id IS NULL
"""


def each(text: str, between: str = ", ") -> str:
    return between.join(text.format(count) for count in COUNTS)


# What a comparison's counts mean for the sums of its campaign.
JUDGES = "(people > 0)::int + 2 * (simulations > 0)::int + 4 * (ais > 0)::int"
SUMS = {
    "judged": "sum(sign * (people > 0 OR simulations > 0 OR ais > 0)::int)",
    "asked": "sum(sign * (slots > 0)::int)",
    "complete": "sum(sign * (slots > 0 AND open = 0)::int)",
    "open": "sum(sign * open)",
    "skips": "sum(sign * skips)",
    "imported": "sum(sign * imported)",
    "from_files": "sum(sign * (imported > 0)::int)",
}


def add(changes: str) -> str:
    """Add changes to the comparisons' rows, and what that changed to the campaigns' sums.

    A comparison's row is locked while it is changed, so what it was before is what it is now less
    the change, whoever else was at it. In one order, so that two statements never wait for each
    other's rows.
    """
    return f"""
    WITH change (comparison_id, labeler_id, {each("{}")}) AS ({changes}),
    total AS (
        SELECT comparison_id, max(labeler_id) AS labeler_id, {each("sum({0})::int AS {0}")}
        FROM change GROUP BY 1
    ),
    tally AS (
        INSERT INTO labeling_comparisontally AS t (comparison_id, campaign_id, {each("{}")})
        SELECT c.id, c.campaign_id, {each("total.{}")}
        FROM total JOIN labeling_comparison c ON c.id = total.comparison_id ORDER BY c.id
        ON CONFLICT (comparison_id) DO UPDATE SET {each("{0} = t.{0} + excluded.{0}")}
        RETURNING t.*
    ),
    state AS (
        SELECT 1 AS sign, tally.campaign_id, total.labeler_id, {each("tally.{}")}
        FROM tally JOIN total USING (comparison_id)
        UNION ALL
        SELECT -1, tally.campaign_id, total.labeler_id, {each("tally.{0} - total.{0}")}
        FROM tally JOIN total USING (comparison_id)
    )
    INSERT INTO labeling_campaigntally AS t (campaign_id, labeler_id, judges, {", ".join(SUMS)})
    SELECT campaign_id, labeler_id, {JUDGES}, {", ".join(SUMS.values())}
    FROM state GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (campaign_id, labeler_id, judges) DO UPDATE
    SET {", ".join(f"{name} = t.{name} + excluded.{name}" for name in SUMS)}
    """  # noqa: S608


def trigger(name: str, changes: str, event: str) -> str:
    function = f"labeling_comparisontally_{name}"
    return f"""
    CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {add(changes)};
        RETURN NULL;
    END $$;
    CREATE TRIGGER comparison_tally_{name} {event} EXECUTE FUNCTION {function}();
    """


def added(table: str) -> str:
    return f"AFTER INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT"


# A claim changes slots all the time, and nothing here: so by row, and only where it matters.
ANSWERED = """
AFTER UPDATE ON labeling_assignment FOR EACH ROW
WHEN (NEW.purpose = 'data' AND (OLD.answered_at IS NULL) <> (NEW.answered_at IS NULL))
"""
NOW_ANSWERED = """
SELECT NEW.comparison_id, NEW.labeler_id, 0, CASE WHEN NEW.answered_at IS NULL THEN 1 ELSE -1 END,
       0, 0, 0, 0, 0
"""
MADE = f"""
{trigger("slots", SLOTS.format(rows="added"), added("labeling_assignment"))}
{trigger("answered", NOW_ANSWERED, ANSWERED)}
{trigger("skips", SKIPS.format(rows="added"), added("labeling_skip"))}
{trigger("judged", JUDGED, added("labeling_judgment"))}
{trigger("withdrawn", WITHDRAWN, added("labeling_tombstone"))}
CREATE VIEW labeling_comparisontally_truth AS
    SELECT comparison_id, campaign_id, {each("sum({0})::int AS {0}")} FROM (
        {SLOTS.format(rows="labeling_assignment")} UNION ALL
        {SKIPS.format(rows="labeling_skip")} UNION ALL {STANDING}
    ) change (comparison_id, labeler_id, {each("{}")})
    JOIN labeling_comparison c ON c.id = change.comparison_id
    GROUP BY 1, 2;
CREATE FUNCTION labeling_comparisontally_rebuild() RETURNS void LANGUAGE sql AS $$
    LOCK TABLE labeling_assignment, labeling_skip, labeling_judgment, labeling_tombstone
        IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM labeling_campaigntally;
    DELETE FROM labeling_comparisontally;
    INSERT INTO labeling_comparisontally (comparison_id, campaign_id, {each("{}")})
    SELECT comparison_id, campaign_id, {each("{}")} FROM labeling_comparisontally_truth;
    INSERT INTO labeling_campaigntally (campaign_id, judges, {", ".join(SUMS)})
    SELECT campaign_id, {JUDGES}, {", ".join(SUMS.values())}
    FROM (SELECT 1 AS sign, * FROM labeling_comparisontally) tally GROUP BY 1, 2;
$$;
SELECT labeling_comparisontally_rebuild();
"""  # noqa: S608
UNMADE = """
DROP FUNCTION labeling_comparisontally_rebuild();
DROP VIEW labeling_comparisontally_truth;
DROP TRIGGER comparison_tally_slots ON labeling_assignment;
DROP TRIGGER comparison_tally_answered ON labeling_assignment;
DROP TRIGGER comparison_tally_skips ON labeling_skip;
DROP TRIGGER comparison_tally_judged ON labeling_judgment;
DROP TRIGGER comparison_tally_withdrawn ON labeling_tombstone;
DROP FUNCTION labeling_comparisontally_slots(), labeling_comparisontally_answered(),
    labeling_comparisontally_skips(), labeling_comparisontally_judged(),
    labeling_comparisontally_withdrawn();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0039_pair_choices"),
    ]

    operations = [
        migrations.CreateModel(
            name="CampaignTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("judges", models.SmallIntegerField()),
                ("judged", models.IntegerField()),
                ("asked", models.IntegerField()),
                ("complete", models.IntegerField()),
                ("open", models.IntegerField()),
                ("skips", models.IntegerField()),
                ("imported", models.IntegerField()),
                ("from_files", models.IntegerField()),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.campaign",
                    ),
                ),
                (
                    "labeler",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "tallies of campaigns",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("campaign", "labeler", "judges"),
                        name="campaign_tally_once_a_labeler",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ComparisonTally",
            fields=[
                (
                    "comparison",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="tally",
                        serialize=False,
                        to="labeling.comparison",
                    ),
                ),
                ("slots", models.IntegerField()),
                ("open", models.IntegerField()),
                ("skips", models.IntegerField()),
                ("people", models.IntegerField()),
                ("simulations", models.IntegerField()),
                ("ais", models.IntegerField()),
                ("imported", models.IntegerField()),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.campaign",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "tallies of comparisons",
                "indexes": [
                    models.Index(
                        condition=models.Q(("skips__gt", 0)),
                        fields=["campaign"],
                        name="comparison_somebody_skipped",
                    ),
                    models.Index(fields=["campaign", "people"], name="comparison_judged_so_often"),
                ],
            },
        ),
        migrations.RunSQL(MADE, UNMADE),
    ]
