"""Reading the environment: every value is checked, and a wrong one stops the start.

Each `read_...` takes the environment and the name of a variable, and either returns a value of the
right type or raises ImproperlyConfigured with one sentence that names the variable.
"""

import os
import re
import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

Environment = Mapping[str, str]

YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
DATABASE_SCHEMES = {"postgres", "postgresql"}
BROKER_SCHEMES = {"redis", "rediss", "redis+socket", "amqp", "amqps"}
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SHORTEST_SECRET = 32  # characters; Django warns below 50, and a guessable key forges sessions


def refuse(name: str, value: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} is {value!r}, but it must be {wanted}.")


def without_password(url: str) -> str:
    """An address as it may be shown in a message or a log."""
    return re.sub(r"://[^@/]*@", "://***@", url)


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_flag(environment: Environment, name: str, default: bool) -> bool:
    value = environment.get(name, "").strip()
    if not value:
        return default
    if value.lower() not in YES | NO:
        raise refuse(name, value, "true or false")
    return value.lower() in YES


def read_count(environment: Environment, name: str, default: int) -> int:
    value = environment.get(name, "").strip() or str(default)
    if not value.isascii() or not value.isdigit():
        raise refuse(name, value, "a whole number, 0 or more")
    return int(value)


def read_list(environment: Environment, name: str, default: list[str]) -> list[str]:
    """Values separated by commas."""
    values = [part.strip() for part in environment.get(name, "").split(",") if part.strip()]
    return values or default


def read_folder(environment: Environment, name: str, default: Path) -> Path:
    """A folder that is there, or is made now."""
    value = environment.get(name, "").strip()
    folder = Path(value).expanduser().resolve() if value else default
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse(
            name, str(folder), f"a folder that can be made and written ({error.strerror})"
        ) from error
    return folder


def read_address(environment: Environment, name: str, default: str) -> tuple[str, int]:
    """Host and port to listen on, such as 127.0.0.1:8000 or [::1]:8000."""
    value = environment.get(name, "").strip() or default
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise refuse(name, value, "a host and a port, such as 127.0.0.1:8000")
    return host, int(port)


def read_url(
    environment: Environment, name: str, schemes: set[str], default: str, example: str
) -> str:
    """An address whose scheme is one of `schemes`."""
    value = environment.get(name, "").strip() or default
    try:
        scheme, port = urlsplit(value).scheme, urlsplit(value).port
    except ValueError:  # the port is no number, or a bracket is open
        scheme, port = "", None
    if scheme not in schemes or port == 0:
        raise refuse(name, without_password(value), f"an address such as {example}")
    return value


def read_origin(environment: Environment, name: str, default: str) -> str:
    """The address that browsers use, without a path."""
    value = read_url(
        environment, name, {"http", "https"}, default, "https://accord.example.org"
    ).rstrip("/")
    if not urlsplit(value).hostname or urlsplit(value).path:
        raise refuse(name, value, "an address without a path, such as https://accord.example.org")
    return value


def read_servers(environment: Environment, name: str, default: list[str]) -> list[str]:
    """One or several addresses of OpenAI-compatible servers, each ending in /v1."""
    servers = [url.rstrip("/") for url in read_list(environment, name, default)]
    example = "http://127.0.0.1:8100/v1, or several of them separated by commas"
    for server in servers:
        read_url({name: server}, name, {"http", "https"}, server, example)
        if not urlsplit(server).hostname or not server.endswith("/v1"):
            raise refuse(name, server, f"an address such as {example}")
    if len(set(servers)) < len(servers):
        raise refuse(name, ",".join(servers), "a list in which no server is named twice")
    return servers


def read_model(environment: Environment, name: str, default: Path) -> str:
    """A folder that holds a model, or the name of one on the hub.

    The default may be absent: the first start makes it.
    """
    value = environment.get(name, "").strip()
    if not value:
        return str(default)
    folder = Path(value).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise refuse(name, value, "a folder with a model in it (it holds no config.json)")
        return str(folder.resolve())
    if HUB_NAME.fullmatch(value):
        return value
    raise refuse(name, value, "a folder that exists, or a hub name such as owner/model")


def read_artifacts(environment: Environment, name: str, default: str) -> str:
    """Where large files are kept, as an fsspec address."""
    from fsspec import available_protocols, get_filesystem_class

    value = environment.get(name, "").strip() or default
    scheme = value.partition("://")[0] if "://" in value else ""
    example = "file:///srv/accord/artifacts or s3://bucket/folder"
    if scheme not in available_protocols():
        raise refuse(name, value, f"an address such as {example}")
    try:
        get_filesystem_class(scheme)
    except ImportError as error:
        raise refuse(
            name, value, f"an address whose driver is installed (for {scheme}: {error})"
        ) from error
    return value.rstrip("/")


def read_secret_key(environment: Environment, name: str, kept_in: Path) -> str:
    """The given key, else one that is made on the first start and kept for this user alone."""
    value = environment.get(name, "")
    if value:
        if len(value) < SHORTEST_SECRET:
            raise ImproperlyConfigured(
                f"{name} has {len(value)} characters, but it must have at least {SHORTEST_SECRET}."
            )
        return value
    # Two processes may start at once: each writes a whole file of its own, the first to link wins.
    if not kept_in.exists():
        fresh = kept_in.with_name(f"{kept_in.name}.{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(64))
        try:
            os.link(fresh, kept_in)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return kept_in.read_text()
