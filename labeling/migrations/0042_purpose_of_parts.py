"""What follows from a ranking has the ranking's purpose: a repeat's or a review's is no vote."""

from django.db import migrations, models

# Until now the parts of a mirrored repeat were stored as data. What they say stays untouched.
MENDED = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE labeling_judgment DISABLE TRIGGER append_only;
UPDATE labeling_judgment part SET purpose = whole.purpose
FROM labeling_judgment whole
WHERE whole.id = part.part_of_id AND part.purpose <> whole.purpose;
ALTER TABLE labeling_judgment ENABLE TRIGGER append_only;
SELECT labeling_comparisontally_rebuild();
SET CONSTRAINTS ALL IMMEDIATE;
"""
HELD = """
ALTER TABLE labeling_judgment
    ADD CONSTRAINT labeling_judgment_id_purpose_key UNIQUE (id, purpose),
    ADD CONSTRAINT part_has_the_purpose_of_its_answer FOREIGN KEY (part_of_id, purpose)
        REFERENCES labeling_judgment (id, purpose) DEFERRABLE INITIALLY DEFERRED;
"""
UNHELD = """
ALTER TABLE labeling_judgment
    DROP CONSTRAINT part_has_the_purpose_of_its_answer,
    DROP CONSTRAINT labeling_judgment_id_purpose_key;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0041_prompts_left_out"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="judgment",
            name="judgment_purpose_is_its_assignments",
        ),
        migrations.AddConstraint(
            model_name="judgment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("purpose", "data"),
                    ("assignment__isnull", False),
                    ("part_of__isnull", False),
                    _connector="OR",
                ),
                name="judgment_purpose_is_its_assignments",
            ),
        ),
        migrations.RunSQL(MENDED, migrations.RunSQL.noop),
        migrations.RunSQL(HELD, UNHELD),
    ]
