"""Every setting, read from the environment. docs/operations.md explains the variables.

A wrong value stops the start with one sentence that names the variable. While `make run` is up,
var/services.env holds the addresses of the embedded servers, so that `manage.py` in another shell
finds them; a real environment variable always wins.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from config import catalogs, embedded
from config.environment import (
    BROKER_SCHEMES,
    DATABASE_SCHEMES,
    is_loopback,
    read_address,
    read_artifacts,
    read_count,
    read_flag,
    read_folder,
    read_list,
    read_model,
    read_origin,
    read_secret_key,
    read_servers,
    read_url,
    without_password,
)
from config.mail import read_mail
from config.openid import read_providers
from config.schedule import BEAT, ROUTES

ROOT = Path(__file__).resolve().parent.parent
VAR = read_folder(os.environ, "ACCORD_VAR", ROOT / "var")
ENVIRONMENT = {
    **{name: value or "" for name, value in dotenv_values(VAR / "services.env").items()},
    **os.environ,
}

# What runs where -----------------------------------------------------------------------------

DEBUG = read_flag(ENVIRONMENT, "DEBUG", default=False)
SECRET_KEY = read_secret_key(ENVIRONMENT, "SECRET_KEY", VAR / "secret_key")
HTTP_HOST, HTTP_PORT = read_address(ENVIRONMENT, "HTTP_ADDRESS", "127.0.0.1:8000")
PUBLIC_URL = read_origin(ENVIRONMENT, "PUBLIC_URL", f"http://{HTTP_HOST}:{HTTP_PORT}")

# Demo accounts have passwords that are printed, so they exist only where nobody else can reach.
DEMO = read_flag(ENVIRONMENT, "DEMO", default=is_loopback(HTTP_HOST))
if DEMO and not is_loopback(HTTP_HOST):
    raise ImproperlyConfigured(
        f"DEMO is on, but HTTP_ADDRESS is {HTTP_HOST}:{HTTP_PORT}, which other machines reach; "
        "set DEMO=false or listen on 127.0.0.1."
    )

DATABASE_URL = read_url(
    ENVIRONMENT,
    "DATABASE_URL",
    DATABASE_SCHEMES,
    default=embedded.database_url(VAR / "postgres"),
    example="postgresql://user:password@host:5432/accord",
)
BROKER_URL = read_url(
    ENVIRONMENT,
    "BROKER_URL",
    BROKER_SCHEMES,
    default=embedded.broker_url(embedded.socket_folder(VAR) / "valkey.sock"),
    example="redis://host:6379/0 or amqp://user:password@host:5672/vhost",
)
VLLM_BASE_URLS = read_servers(
    ENVIRONMENT, "VLLM_BASE_URL", ["http://127.0.0.1:8100/v1", "http://127.0.0.1:8101/v1"]
)
# Servers that may answer for a policy in training; they need other options than those above.
ROLLOUT_BASE_URLS = read_servers(ENVIRONMENT, "ROLLOUT_BASE_URL", [])
VLLM_API_KEY = ENVIRONMENT.get("VLLM_API_KEY", "")
MODEL_PATH = read_model(ENVIRONMENT, "MODEL", VAR / "models" / "SmolLM2-135M-Instruct")
ARTIFACTS_URL = read_artifacts(ENVIRONMENT, "ARTIFACTS_URL", f"file://{VAR / 'artifacts'}")
SUPERVISOR_SOCKET = Path(path) if (path := ENVIRONMENT.get("SUPERVISOR_SOCKET")) else None

# Django --------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "allauth",  # before our own: labeling/admin/people.py takes its tables out of the engine room
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "labeling",
    "rewardmodel",
    "rlhf",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "template_partials",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labeling.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "labeling.signing_in.second_factor.SecondFactorMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["template_partials.templatetags.partials"],
        },
    }
]

try:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600)}
except (ValueError, dj_database_url.ParseError) as error:
    raise ImproperlyConfigured(
        f"DATABASE_URL is {without_password(DATABASE_URL)!r}, which cannot be read as an address."
    ) from error
if not DATABASES["default"]["NAME"]:
    raise ImproperlyConfigured("DATABASE_URL names no database; add one, as in .../accord.")
# A connection that the server closed meanwhile is replaced at the start of the next request.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "labeling.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# What every web process has to know at once: attempts to sign in (docs/decisions/0017).
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "shared_cache",
        # Past this many, old entries make room: more than an attacker writes in five minutes.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

TIME_ZONE = "UTC"
USE_TZ = True

LANGUAGE_CODE = "en"
# Each in its own words, as those who look for it read them. docs/translating.md: how to add one.
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("ar", "العربية"),
    ("zh-hans", "简体中文"),
]
LOCALE_PATHS = [catalogs.compiled(ROOT / "locale", VAR / "locale")]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = int(timedelta(days=365).total_seconds())

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns at every start where it is missing
STATICFILES_DIRS = [folder for folder in [ROOT / "static"] if folder.is_dir()]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.PageStorage"
    },
}
MEDIA_ROOT = VAR / "media"

# Security ------------------------------------------------------------------------------------

PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
ALLOWED_HOSTS = read_list(
    ENVIRONMENT, "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", PUBLIC_HOST]
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
# The proxy in front must set this header itself and drop the client's: docs/operations.md.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # bytes of one form; files are streamed to disk

# Mail ----------------------------------------------------------------------------------------

MAIL = read_mail(ENVIRONMENT, "MAIL_URL")
MAIL_IS_SENT = MAIL.is_sent
EMAIL_BACKEND = MAIL.backend
EMAIL_HOST, EMAIL_PORT = MAIL.host, MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL.user, MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL.starts_tls, MAIL.is_tls
EMAIL_TIMEOUT = 10  # seconds; a page must not hang on a mail server that is down
DEFAULT_FROM_EMAIL = ENVIRONMENT.get("MAIL_FROM", "").strip() or f"Accord <accord@{PUBLIC_HOST}>"

# Signing in: django-allauth, as labeling/signing_in has it ----------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
REQUIRE_TOTP = read_flag(ENVIRONMENT, "REQUIRE_TOTP", default=False)
ALLAUTH_TRUSTED_PROXY_COUNT = read_count(ENVIRONMENT, "TRUSTED_PROXIES", default=int(HTTPS))

ACCOUNT_ADAPTER = "labeling.signing_in.adapters.Accounts"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before a way to sign in changes
ACCOUNT_RATE_LIMITS = {
    "login": None,  # successes are not counted: many people may share one address
    "login_failed": "30/m/ip,5/5m/key",  # the key: an account, for its password and for its codes
}
ACCOUNT_FORMS = {
    "login": "labeling.forms.sign_in.SignInForm",
    "reauthenticate": "labeling.forms.sign_in.ConfirmForm",
    "change_password": "labeling.forms.sign_in.PasswordChangeForm",
    "set_password": "labeling.forms.sign_in.PasswordSetForm",
    "reset_password": "labeling.forms.sign_in.ForgottenPasswordForm",
    "reset_password_from_key": "labeling.forms.sign_in.NewPasswordForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # strangers get no mail
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
OPENID_PROVIDERS = read_providers(ENVIRONMENT, "OPENID_PROVIDERS")
SOCIALACCOUNT_ADAPTER = "labeling.signing_in.adapters.Identities"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"APPS": [provider.app() for provider in OPENID_PROVIDERS.values()]}
}
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
MFA_ADAPTER = "labeling.signing_in.adapters.SecondFactors"
MFA_TOTP_ISSUER = "Accord"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # accounts come from invitations, not from addresses
MFA_FORMS = {
    "authenticate": "labeling.forms.sign_in.CodeForm",
    "reauthenticate": "labeling.forms.sign_in.ConfirmCodeForm",
    "activate_totp": "labeling.forms.sign_in.TurnOnForm",
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labeling.api.tokens.TokenAuthentication",  # first: it answers 401, not 403
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "labeling.api.tokens.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "labeling.api.refusals.refusal_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {"TITLE": "Accord", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

# Events ----------------------------------------------------------------------------------------

# Webhooks lead out into the internet; these hosts may lie in a private network all the same.
WEBHOOK_PRIVATE_HOSTS = read_list(ENVIRONMENT, "WEBHOOK_PRIVATE_HOSTS", [])

# Celery --------------------------------------------------------------------------------------

CELERY_BROKER_URL = BROKER_URL
# RabbitMQ keeps no results: there, the answer comes back to the caller as a message.
CELERY_RESULT_BACKEND = "rpc://" if BROKER_URL.startswith("amqp") else BROKER_URL
CELERY_RESULT_EXPIRES = timedelta(days=1)
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = ROUTES
CELERY_TASK_TRACK_STARTED = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a long task must not hold a short one behind it
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A page must not hang on a broker that is down: work is rows, and the beat finds what was missed.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2}
if not BROKER_URL.startswith("amqp"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Valkey delivers a message again when nobody confirmed it for this long. A training run
        # may take hours; rows with heartbeats, not redelivery, are what resumes a lost one.
        "visibility_timeout": int(timedelta(hours=24).total_seconds()),
        "socket_connect_timeout": 3,
    }
CELERY_BEAT_SCHEDULE = BEAT

# Log lines on the console, one plain line each ---------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},  # one line for each request to vLLM says too much
        "django.server": {"handlers": ["console"], "propagate": False},
    },
}
