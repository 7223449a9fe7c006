"""Says where the test servers will be, before Django reads its settings (pytest loads this first).

The servers start only when a test asks for them: PostgreSQL with the first test that needs the
database, Valkey with the first that needs a broker. DATABASE_URL points the tests elsewhere.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import embedded

TEMPORARY = tempfile.TemporaryDirectory(prefix="accord-test-", ignore_cleanup_errors=True)
FOLDER = Path(TEMPORARY.name)
EMBEDDED_DATABASE = "DATABASE_URL" not in os.environ

# The running product's var/ (its addresses, its key, its artifacts) is never a test's.
os.environ["ACCORD_VAR"] = str(FOLDER / "var")
os.environ.setdefault("DATABASE_URL", embedded.database_url(FOLDER / "postgres"))
os.environ.setdefault("SECRET_KEY", "a key for tests, which protects nothing at all")
# Nothing listens here; a test that needs a server or a broker gives its address.
os.environ["VLLM_BASE_URL"] = "http://127.0.0.1:9/v1"
os.environ["BROKER_URL"] = "redis://127.0.0.1:9/0"
os.environ["HF_HUB_OFFLINE"] = "1"
for name in ("DEBUG", "ALLOWED_HOSTS", "HTTP_ADDRESS", "PUBLIC_URL", "MODEL", "ARTIFACTS_URL"):
    os.environ.pop(name, None)
for name in ("MAIL_URL", "MAIL_FROM", "OPENID_PROVIDERS", "REQUIRE_TOTP", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """A real PostgreSQL for the whole session."""
    if not EMBEDDED_DATABASE:
        yield
        return
    server = embedded.start_postgres(FOLDER / "postgres")
    embedded.forget_durability(server)
    yield
    embedded.stop_postgres(server)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of a real Valkey for the whole session."""
    with embedded.temporary_valkey() as url:
        yield url
