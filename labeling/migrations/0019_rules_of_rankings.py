"""What holds a ranking together, and a campaign to its kind: keys and triggers in the database."""

from django.db import migrations

# (table, columns, other table, its columns): what the first says must be what the other says.
SAME_IN_BOTH = {
    "candidate_is_about_its_groups_prompt": (
        "labeling_candidate", "group_id, prompt_id", "labeling_responsegroup", "id, prompt_id",
    ),
    "candidate_answers_its_prompt": (
        "labeling_candidate", "response_id, prompt_id", "labeling_response", "id, prompt_id",
    ),
    "comparison_is_about_its_groups_prompt": (
        "labeling_comparison", "group_id, prompt_id", "labeling_responsegroup", "id, prompt_id",
    ),
    "comparison_is_in_its_groups_campaign": (
        "labeling_comparison", "group_id, campaign_id",
        "labeling_responsegroup", "id, campaign_id",
    ),
    "comparison_first_is_in_its_group": (
        "labeling_comparison", "group_id, first_id", "labeling_candidate", "group_id, response_id",
    ),
    "comparison_second_is_in_its_group": (
        "labeling_comparison", "group_id, second_id", "labeling_candidate", "group_id, response_id",
    ),
    "judgment_is_by_the_labeler_of_its_ranking": (
        "labeling_judgment", "part_of_id, labeler_id", "labeling_judgment", "id, labeler_id",
    ),
}  # fmt: skip

# A foreign key needs a unique index over the columns it points at; the candidate's is there.
POINTED_AT = [
    ("labeling_responsegroup", "id, prompt_id"),
    ("labeling_responsegroup", "id, campaign_id"),
    ("labeling_judgment", "id, labeler_id"),
]

NEVER_CHANGED = ["labeling_responsegroup", "labeling_candidate", "labeling_ranking"]


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
    dependencies = [("labeling", "0018_rankings")]

    operations = [
        *(unique_pair(table, columns) for table, columns in POINTED_AT),
        *(same_in_both(name, *keys) for name, keys in SAME_IN_BOTH.items()),
        *(never_changed(table) for table in NEVER_CHANGED),
        # At the end of the transaction: the candidates come after their group.
        migrations.RunSQL(
            """
            CREATE FUNCTION group_is_complete() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT count(*) FROM labeling_candidate
                    WHERE group_id = NEW.id AND place < NEW.size) <> NEW.size
                   OR EXISTS (SELECT FROM labeling_candidate
                              WHERE group_id = NEW.id AND place >= NEW.size) THEN
                    RAISE EXCEPTION 'group % has not the % candidates it says', NEW.id, NEW.size
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER group_is_complete AFTER INSERT ON labeling_responsegroup
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION group_is_complete();
            """,
            """
            DROP TRIGGER group_is_complete ON labeling_responsegroup;
            DROP FUNCTION group_is_complete();
            """,
        ),
        # A slot of a group shows each of its candidates once.
        migrations.RunSQL(
            """
            CREATE FUNCTION slot_shows_its_group() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM labeling_comparison JOIN labeling_responsegroup
                        ON labeling_responsegroup.id = group_id
                    WHERE labeling_comparison.id = NEW.comparison_id
                        AND (SELECT array_agg(place ORDER BY place)
                             FROM unnest(NEW.shown_order) AS place)
                            = (SELECT array_agg(place::smallint ORDER BY place)
                               FROM generate_series(0, size - 1) AS place)
                ) OR NEW.first_on_left <> (
                    array_position(NEW.shown_order, 0::smallint)
                    < array_position(NEW.shown_order, 1::smallint)
                ) THEN
                    RAISE EXCEPTION 'a slot shows each candidate of its group once'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER slot_shows_its_group
                BEFORE INSERT OR UPDATE OF shown_order, first_on_left, comparison_id
                ON labeling_assignment FOR EACH ROW WHEN (NEW.shown_order IS NOT NULL)
                EXECUTE FUNCTION slot_shows_its_group();
            """,
            """
            DROP TRIGGER slot_shows_its_group ON labeling_assignment;
            DROP FUNCTION slot_shows_its_group();
            """,
        ),
        # Ranks are as many as the candidates, begin at 1 and leave none out; and what the leading
        # comparison's judgment says is what they say about the first two.
        migrations.RunSQL(
            """
            CREATE FUNCTION ranking_fits() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM labeling_judgment AS judgment
                    JOIN labeling_assignment AS slot ON slot.id = judgment.assignment_id
                    JOIN labeling_comparison AS lead ON lead.id = judgment.comparison_id
                    JOIN labeling_responsegroup AS of ON of.id = lead.group_id
                    WHERE judgment.id = NEW.judgment_id
                        AND cardinality(NEW.ranks) = of.size
                        AND sign(judgment.preference) = sign(NEW.ranks[1] - NEW.ranks[2])
                ) OR NOT 1 = ANY (NEW.ranks) OR EXISTS (
                    SELECT FROM unnest(NEW.ranks) AS rank
                    WHERE rank < 1 OR (rank > 1 AND NOT rank - 1 = ANY (NEW.ranks))
                ) THEN
                    RAISE EXCEPTION 'the ranks % do not put the candidates in order', NEW.ranks
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER ranking_fits BEFORE INSERT ON labeling_ranking
                FOR EACH ROW EXECUTE FUNCTION ranking_fits();

            CREATE FUNCTION answer_about_a_group_ranks_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM labeling_comparison
                           WHERE id = NEW.comparison_id AND group_id IS NOT NULL)
                   AND NOT EXISTS (SELECT FROM labeling_ranking WHERE judgment_id = NEW.id) THEN
                    RAISE EXCEPTION 'an answer about a group puts all of it in order'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER answer_about_a_group_ranks_it
                AFTER INSERT ON labeling_judgment DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.assignment_id IS NOT NULL AND NOT NEW.retracted)
                EXECUTE FUNCTION answer_about_a_group_ranks_it();
            """,
            """
            DROP TRIGGER answer_about_a_group_ranks_it ON labeling_judgment;
            DROP FUNCTION answer_about_a_group_ranks_it();
            DROP TRIGGER ranking_fits ON labeling_ranking;
            DROP FUNCTION ranking_fits();
            """,
        ),
        # What a campaign has asked and heard was asked as its kind asks.
        migrations.RunSQL(
            """
            CREATE FUNCTION campaign_keeps_its_kind() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM labeling_comparison WHERE campaign_id = NEW.id)
                   OR EXISTS (SELECT FROM labeling_chat WHERE campaign_id = NEW.id)
                   OR EXISTS (SELECT FROM labeling_demonstrationslot WHERE campaign_id = NEW.id)
                   OR EXISTS (SELECT FROM labeling_demonstration WHERE campaign_id = NEW.id) THEN
                    RAISE EXCEPTION 'campaign % has content and keeps its kind', NEW.id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER campaign_keeps_its_kind BEFORE UPDATE OF kind ON labeling_campaign
                FOR EACH ROW WHEN (OLD.kind <> NEW.kind)
                EXECUTE FUNCTION campaign_keeps_its_kind();
            """,
            """
            DROP TRIGGER campaign_keeps_its_kind ON labeling_campaign;
            DROP FUNCTION campaign_keeps_its_kind();
            """,
        ),
    ]
