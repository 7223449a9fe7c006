"""Rules that a model's Meta can't state: keys over two columns, and rows that never change."""

from django.db import migrations

# (table, columns, other table, its columns): what the first says must be what the other says.
SAME_IN_BOTH = {
    "comparison_first_answers_its_prompt": (
        "labeling_comparison", "first_id, prompt_id", "labeling_response", "id, prompt_id",
    ),
    "comparison_second_answers_its_prompt": (
        "labeling_comparison", "second_id, prompt_id", "labeling_response", "id, prompt_id",
    ),
    "judgment_is_about_its_assignments_comparison": (
        "labeling_judgment", "assignment_id, comparison_id",
        "labeling_assignment", "id, comparison_id",
    ),
    "judgment_is_by_the_one_it_was_assigned_to": (
        "labeling_judgment", "assignment_id, labeler_id", "labeling_assignment", "id, labeler_id",
    ),
    "judgment_kind_is_its_labelers_kind": (
        "labeling_judgment", "labeler_id, judge_kind", "labeling_user", "id, kind",
    ),
    "judgment_supersedes_one_on_the_same_comparison": (
        "labeling_judgment", "supersedes_id, comparison_id",
        "labeling_judgment", "id, comparison_id",
    ),
}  # fmt: skip

# A foreign key needs a unique index over the columns it points at.
POINTED_AT = sorted({(other, columns) for _, _, other, columns in SAME_IN_BOTH.values()})

NEVER_CHANGED = [
    "labeling_response",
    "labeling_discardedpair",
    "labeling_preferenceimport",
    "labeling_judgment",
    "labeling_snapshot",
    "labeling_snapshotjudgment",
]


def unique_pair(table: str, columns: str) -> migrations.RunSQL:
    name = f"{table}_{columns.replace(', ', '_')}_key"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({columns})",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def same_in_both(name: str, table: str, columns: str, other: str, others: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) "
        f"REFERENCES {other} ({others}) DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def never_changed(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"DROP TRIGGER append_only ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("labeling", "0001_initial")]

    operations = [
        *(unique_pair(table, columns) for table, columns in POINTED_AT),
        *(same_in_both(name, *keys) for name, keys in SAME_IN_BOTH.items()),
        migrations.RunSQL(
            """
            CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END $$
            """,
            "DROP FUNCTION refuse_change()",
        ),
        *(never_changed(table) for table in NEVER_CHANGED),
    ]
