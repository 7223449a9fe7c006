from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0013_audit_log"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, max_length=12),
        ),
    ]
