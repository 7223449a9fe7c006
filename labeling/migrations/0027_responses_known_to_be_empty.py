from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0026_quality_checks"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="response", name="response_says_something"),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("text", ""), _negated=True))
                | models.Q(("finish_reason", "empty")),
                name="response_says_something_or_is_known_to_be_empty",
            ),
        ),
        migrations.AddConstraint(
            model_name="judgment",
            constraint=models.UniqueConstraint(
                fields=["imported_from", "annotator", "comparison"],
                condition=models.Q(("imported_from__isnull", False)),
                name="annotator_judges_a_pair_of_a_file_once",
            ),
        ),
    ]
