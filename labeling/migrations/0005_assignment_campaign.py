"""An assignment knows its campaign, so that claiming finds the open slots of one by an index."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0004_corrections")]

    operations = [
        migrations.AddField(
            model_name="assignment",
            name="campaign",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="assignments",
                to="labeling.campaign",
            ),
        ),
        migrations.RunSQL(
            """
            UPDATE labeling_assignment SET campaign_id = labeling_comparison.campaign_id
            FROM labeling_comparison WHERE labeling_comparison.id = comparison_id;
            -- The keys of these rows are checked now: PostgreSQL alters no table before.
            SET CONSTRAINTS ALL IMMEDIATE;
            SET CONSTRAINTS ALL DEFERRED;
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="assignment",
            name="campaign",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="assignments",
                to="labeling.campaign",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE labeling_comparison ADD CONSTRAINT labeling_comparison_id_campaign_id_key "
            "UNIQUE (id, campaign_id)",
            "ALTER TABLE labeling_comparison DROP CONSTRAINT labeling_comparison_id_campaign_id_key",
        ),
        migrations.RunSQL(
            "ALTER TABLE labeling_assignment ADD CONSTRAINT assignment_is_in_its_comparisons_campaign "
            "FOREIGN KEY (comparison_id, campaign_id) "
            "REFERENCES labeling_comparison (id, campaign_id) DEFERRABLE INITIALLY DEFERRED",
            "ALTER TABLE labeling_assignment DROP CONSTRAINT assignment_is_in_its_comparisons_campaign",
        ),
        migrations.RemoveIndex(model_name="assignment", name="assignment_open"),
        migrations.RemoveIndex(model_name="assignment", name="assignment_held"),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                fields=["campaign", "id"],
                name="assignment_open",
                condition=models.Q(answered_at__isnull=True),
            ),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(fields=["labeler", "campaign", "id"], name="assignment_had"),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                fields=["labeler", "campaign"],
                name="assignment_held",
                condition=models.Q(answered_at__isnull=True, labeler__isnull=False),
            ),
        ),
    ]
