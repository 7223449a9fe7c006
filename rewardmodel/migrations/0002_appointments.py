import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0002_rules_across_tables"),
        ("rewardmodel", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Appointment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "appointed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to="labeling.campaign",
                    ),
                ),
                (
                    "reward_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to="rewardmodel.rewardmodel",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rewardmodel_appointment "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            "DROP TRIGGER append_only ON rewardmodel_appointment",
        ),
        # An appointment is of a model that is finished, in the campaign that the model is of.
        migrations.RunSQL(
            """
            CREATE FUNCTION appointment_is_of_a_finished_model_of_its_campaign() RETURNS trigger
            LANGUAGE plpgsql AS $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM rewardmodel_rewardmodel run
                    JOIN labeling_snapshot taken ON taken.id = run.snapshot_id
                    WHERE run.id = NEW.reward_model_id AND run.status = 'succeeded'
                        AND taken.campaign_id = NEW.campaign_id
                ) THEN
                    RAISE EXCEPTION 'appointment is of a finished model of its campaign'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER finished_model_of_its_campaign
                BEFORE INSERT ON rewardmodel_appointment FOR EACH ROW
                EXECUTE FUNCTION appointment_is_of_a_finished_model_of_its_campaign();
            """,
            """
            DROP TRIGGER finished_model_of_its_campaign ON rewardmodel_appointment;
            DROP FUNCTION appointment_is_of_a_finished_model_of_its_campaign();
            """,
        ),
    ]
