"""A slot that is taken away leaves the tallies of comparisons: a conversation that ended does it."""

from importlib import import_module

from django.db import migrations

tallies = import_module("labeling.migrations.0040_tallies_of_comparisons")

REMOVED = """
SELECT comparison_id, labeler_id, -1, -(answered_at IS NULL)::int, 0, 0, 0, 0, 0
FROM removed WHERE purpose = 'data'
"""
EVENT = """
AFTER DELETE ON labeling_assignment REFERENCING OLD TABLE AS removed FOR EACH STATEMENT
"""
MADE = f"""
{tallies.trigger("removed", REMOVED, EVENT)}
SELECT labeling_comparisontally_rebuild();
"""
UNMADE = """
DROP TRIGGER comparison_tally_removed ON labeling_assignment;
DROP FUNCTION labeling_comparisontally_removed();
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0042_purpose_of_parts")]

    operations = [migrations.RunSQL(MADE, UNMADE)]
