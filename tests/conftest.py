"""What every test may use. The servers themselves are started in tests/services.py."""

import os

import pytest
from hypothesis import settings as hypothesis

# The same examples in every run, however busy the machine: a change fails of itself or not at all.
hypothesis.register_profile("accord", derandomize=True, deadline=None)
hypothesis.load_profile("accord")

# Many test processes share few cores; torch's own threads would fight over them.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _plain_static_files() -> None:
    """Pages find their static files where they are written, with no collectstatic before."""
    from django.conf import settings

    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> None:
    """Hashing that is slow on purpose would take most of the tests' time."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


pytest_plugins = ["tests.cast", "tests.authenticator_app", "tests.openid_provider"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: None) -> None:
    """pytest-django asks for this right before it makes the test database."""


@pytest.fixture(autouse=True)
def _no_language_left_over() -> None:
    """A request leaves its language to the thread; each test begins in the product's own."""
    from django.utils import translation

    translation.activate("en")
