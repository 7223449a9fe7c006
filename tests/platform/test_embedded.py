"""The servers that come with the wheels."""

import psycopg2
import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_tests_run_on_a_real_postgresql():
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        assert cursor.fetchone()[0].startswith("PostgreSQL 18")


def test_the_address_in_the_settings_reaches_it_without_a_password(postgres):
    from django.conf import settings

    assert psycopg2.connect(settings.DATABASE_URL).closed == 0


def test_valkey_answers(valkey_url):
    import redis

    assert redis.Redis.from_url(valkey_url).ping()
