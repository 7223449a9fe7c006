from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("rlhf", "0001_initial"), ("labeling", "0002_rules_across_tables")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rlhf_promotion "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            "DROP TRIGGER append_only ON rlhf_promotion",
        ),
    ]
