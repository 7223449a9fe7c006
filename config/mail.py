"""How mail leaves, read from MAIL_URL: django.core.mail's settings in one address."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from config.environment import Environment, read_url, refuse, without_password

PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
EXAMPLE = "smtp+tls://user:password@mail.example.org:587, or console: to print it in the web log"
NOWHERE = "django.core.mail.backends.dummy.EmailBackend"


@dataclass(frozen=True)
class Mail:
    """Where mail goes; by default nowhere, and the pages say so."""

    backend: str = NOWHERE
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    starts_tls: bool = False
    is_tls: bool = False

    @property
    def is_sent(self) -> bool:
        return self.backend != NOWHERE


def read_mail(environment: Environment, name: str) -> Mail:
    """`smtp` speaks plainly, for a relay on the same machine; `smtp+tls` begins so and goes on
    encrypted; `smtps` is encrypted from the start."""
    if not environment.get(name, "").strip():
        return Mail()
    value = read_url(environment, name, {*PORTS, "console"}, "", EXAMPLE)
    parts = urlsplit(value)
    if parts.scheme == "console":
        return Mail(backend="django.core.mail.backends.console.EmailBackend")
    if not parts.hostname:
        raise refuse(name, without_password(value), f"an address such as {EXAMPLE}")
    return Mail(
        backend="django.core.mail.backends.smtp.EmailBackend",
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_tls=parts.scheme == "smtps",
    )
