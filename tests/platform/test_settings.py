"""A wrong value stops the start with one sentence that names the variable."""

import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]
GIVEN = ["DATABASE_URL", "BROKER_URL", "VLLM_BASE_URL", "SECRET_KEY", "HTTP_ADDRESS", "DEMO"]


@pytest.fixture
def settings_under(monkeypatch, tmp_path):
    """The settings under an environment that holds nothing but what the test says."""

    def read(**environment: str) -> dict:
        for name in GIVEN:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ACCORD_VAR", str(tmp_path))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "config" / "settings.py"))

    return read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCORD_VAR", "/proc/nowhere"),
        ("SECRET_KEY", "short"),
        ("DEBUG", "maybe"),
        ("DEMO", "perhaps"),
        ("HTTP_ADDRESS", "8000"),
        ("HTTP_ADDRESS", "127.0.0.1:99999"),
        ("PUBLIC_URL", "accord.example.org"),
        ("PUBLIC_URL", "https://accord.example.org/path"),
        ("DATABASE_URL", "sqlite:///accord.sqlite3"),
        ("DATABASE_URL", "postgresql://user@host:port/accord"),
        ("DATABASE_URL", "postgresql://user@host"),
        ("BROKER_URL", "memory://"),
        ("BROKER_URL", "localhost:6379"),
        ("VLLM_BASE_URL", "http://127.0.0.1:8100"),
        ("VLLM_BASE_URL", "127.0.0.1:8100/v1"),
        ("VLLM_BASE_URL", "http://a:1/v1,http://a:1/v1"),
        ("ROLLOUT_BASE_URL", "http://127.0.0.1:8200"),
        ("MODEL", "/no/such/folder"),
        ("MODEL", "just-a-name"),
        ("ARTIFACTS_URL", "nonsense://bucket"),
        ("ARTIFACTS_URL", "/a/plain/path"),
        ("MAIL_URL", "mail.example.org"),
        ("MAIL_URL", "smtps://"),
        ("TRUSTED_PROXIES", "-1"),
        ("REQUIRE_TOTP", "of some"),
        ("OPENID_PROVIDERS", "The Company"),
    ],
)
def test_a_wrong_value_is_refused_by_name(settings_under, name, value):
    with pytest.raises(ImproperlyConfigured) as refusal:
        settings_under(**{name: value})
    sentence = str(refusal.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_refusal_never_shows_a_password(settings_under):
    with pytest.raises(ImproperlyConfigured) as refusal:
        settings_under(DATABASE_URL="mysql://root:tulips@host/accord")
    assert "tulips" not in str(refusal.value)


def test_a_command_prints_the_sentence_and_nothing_else(tmp_path):
    environment = {**os.environ, "ACCORD_VAR": str(tmp_path), "BROKER_URL": "carrier-pigeon://loft"}
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("BROKER_URL is 'carrier-pigeon://loft', but it must be")
    assert ended.stderr.count("\n") == 1


def test_nothing_set_means_the_embedded_parts_on_this_machine_alone(settings_under, tmp_path):
    settings = settings_under()
    assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert settings["BROKER_URL"].startswith("redis+socket:///tmp/accord-")
    assert settings["HTTP_HOST"] == "127.0.0.1"
    assert settings["DEMO"]
    assert not settings["DEBUG"]


def test_the_secret_key_is_made_once_and_is_nobody_elses_to_read(settings_under, tmp_path):
    first = settings_under()["SECRET_KEY"]
    assert len(first) > 50
    assert settings_under()["SECRET_KEY"] == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_the_demo_exists_only_where_nobody_else_can_reach(settings_under):
    assert not settings_under(HTTP_ADDRESS="0.0.0.0:8000")["DEMO"]
    with pytest.raises(ImproperlyConfigured, match="DEMO"):
        settings_under(HTTP_ADDRESS="0.0.0.0:8000", DEMO="true")


def test_https_in_front_makes_the_cookies_secure(settings_under):
    settings = settings_under(PUBLIC_URL="https://accord.example.org", DEMO="false")
    assert settings["SESSION_COOKIE_SECURE"]
    assert settings["CSRF_COOKIE_SECURE"]
    assert settings["SECURE_HSTS_SECONDS"] > 0
    assert "accord.example.org" in settings["ALLOWED_HOSTS"]


def test_a_proxy_in_front_is_believed_about_the_clients_address(settings_under):
    assert settings_under()["ALLAUTH_TRUSTED_PROXY_COUNT"] == 0
    public = {"PUBLIC_URL": "https://accord.example.org", "DEMO": "false"}
    assert settings_under(**public)["ALLAUTH_TRUSTED_PROXY_COUNT"] == 1
    assert settings_under(**public, TRUSTED_PROXIES="2")["ALLAUTH_TRUSTED_PROXY_COUNT"] == 2


def test_mail_goes_nowhere_until_it_is_said_where(settings_under):
    assert not settings_under()["MAIL_IS_SENT"]
    assert settings_under(MAIL_URL="console:")["MAIL_IS_SENT"]
    settings = settings_under(MAIL_URL="smtp+tls://accord:p%40ss@mail.example.org")
    assert (settings["EMAIL_HOST"], settings["EMAIL_PORT"]) == ("mail.example.org", 587)
    assert (settings["EMAIL_HOST_USER"], settings["EMAIL_HOST_PASSWORD"]) == ("accord", "p@ss")
    assert settings["EMAIL_USE_TLS"]
    assert not settings["EMAIL_USE_SSL"]


def test_rabbitmq_answers_by_messages_and_valkey_keeps_results(settings_under):
    assert settings_under(BROKER_URL="amqp://u:p@host//")["CELERY_RESULT_BACKEND"] == "rpc://"
    kept = settings_under(BROKER_URL="redis://host:6379/0")["CELERY_RESULT_BACKEND"]
    assert kept == "redis://host:6379/0"


def test_the_real_environment_wins_over_the_addresses_that_make_run_wrote(settings_under, tmp_path):
    (tmp_path / "services.env").write_text("BROKER_URL='redis://127.0.0.1:1/0'\n")
    assert settings_under()["BROKER_URL"] == "redis://127.0.0.1:1/0"
    assert settings_under(BROKER_URL="redis://host:2/0")["BROKER_URL"] == "redis://host:2/0"
