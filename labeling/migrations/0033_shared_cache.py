"""The table in which web processes count attempts to sign in, whichever of them is asked.

Django's database cache reads and writes it (docs/decisions/0017-attempts-are-counted-in-the-database.md).
And addresses of accounts in lower case, as they are looked for (labeling/models/users.py).
"""

from django.db import migrations

MAKE = """
CREATE TABLE shared_cache (
    cache_key varchar(255) NOT NULL PRIMARY KEY,
    value text NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE INDEX shared_cache_expires ON shared_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0032_indexes_of_dashboards"),
    ]

    operations = [
        migrations.RunSQL(MAKE, "DROP TABLE shared_cache"),
        migrations.RunSQL(
            "UPDATE labeling_user SET email = lower(email) WHERE email <> lower(email)",
            migrations.RunSQL.noop,
        ),
    ]
