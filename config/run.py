"""`make run`: everything the product needs, in one terminal, until Ctrl-C.

Starts PostgreSQL, Valkey and vLLM (unless the environment points at servers of one's own), makes
the demo model, migrates, seeds the demo, then keeps the processes of deploy/supervisord.conf
running. Everything is stopped in the opposite order and nothing stored is lost.
"""

import fcntl
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType, ModuleType

from django.core.exceptions import ImproperlyConfigured

from config import demo_model, embedded
from config.embedded import NotStarted
from config.environment import read_folder
from config.processes import ROOT, Supervisor

WORKERS = ["worker-default", "worker-generation", "worker-training"]
VLLM_SLOTS = [8100, 8101]  # preferred ports, one for each policy served at once
NEWS = 15.0  # seconds between two lines of waiting


class Stop(Exception):
    """Ctrl-C, or a signal that asks to end."""


@contextmanager
def step(sentence: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    started = time.monotonic()
    print(f"  {sentence} ...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(" not done.", flush=True)
        raise
    print(f" {time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Refuse to run twice on the same state."""
    with (var / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            number = lock.read().strip() or "?"
            raise NotStarted(
                f"Accord already runs on {var} (process {number}); stop that one with Ctrl-C first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
        return True


def free_port(preferred: int) -> int:
    if is_free("127.0.0.1", preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def choose_addresses(var: Path, sockets: Path) -> dict[str, str]:
    """The variables of the parts that nobody gave: those are started here."""
    chosen = {
        "ACCORD_VAR": str(var),
        "ACCORD_SOCKETS": str(sockets),
        "ACCORD_PYTHON": sys.executable,
    }
    if "DATABASE_URL" not in os.environ:
        chosen["DATABASE_URL"] = embedded.database_url(var / "postgres")
    if "BROKER_URL" not in os.environ:
        chosen["BROKER_URL"] = embedded.broker_url(sockets / "valkey.sock")
    if "VLLM_BASE_URL" not in os.environ:
        ports = [free_port(port) for port in VLLM_SLOTS]
        chosen["VLLM_BASE_URL"] = ",".join(f"http://127.0.0.1:{port}/v1" for port in ports)
        chosen["SUPERVISOR_SOCKET"] = str(sockets / "supervisor.sock")
    return chosen


def read_settings() -> ModuleType:
    """Django's settings under the variables as they are now; wrong values are refused here."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    known = sys.modules.get("config.settings")
    return importlib.reload(known) if known else importlib.import_module("config.settings")


def write_services(path: Path, services: dict[str, str]) -> None:
    """Tell `manage.py` in other shells where the servers are."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("# Written by `make run`, and removed when it stops.\n")
        file.writelines(f"{name}='{value}'\n" for name, value in services.items())


def prepare_database() -> None:
    from django.core.management import call_command, get_commands

    with step("Bringing the database up to date"):
        call_command("migrate", verbosity=0, interactive=False)
    with step("Collecting static files"):
        call_command("collectstatic", verbosity=0, interactive=False)
    if "seed_demo" in get_commands():
        call_command("seed_demo")


def show_web(settings: ModuleType) -> None:
    """The address, and on this machine alone the demo's log-ins."""
    print(f"\nAccord is at {settings.PUBLIC_URL}", flush=True)
    accounts = settings.VAR / "demo-accounts.txt"
    if settings.DEMO and accounts.is_file():
        print(f"\nDemo accounts ({accounts}):\n{accounts.read_text().rstrip()}\n", flush=True)
    print("Ctrl-C stops everything and keeps the data. Logs: var/logs/.", flush=True)


def web_answers(settings: ModuleType) -> bool:
    """Whether any page comes back, whatever it says."""
    host = "127.0.0.1" if settings.HTTP_HOST == "0.0.0.0" else settings.HTTP_HOST  # noqa: S104
    url = f"http://{host}:{settings.HTTP_PORT}/accounts/login/"
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def first_pair_is_there() -> bool:
    from django.db import connection

    from labeling.models import Assignment

    try:
        return Assignment.objects.exists()
    finally:
        connection.close()


def what_it_waits_for(settings: ModuleType, states: dict[str, str]) -> str:
    from django.db import connection

    from labeling.models import Response

    written = Response.objects.count()
    connection.close()
    servers = [
        f"{name} is {state.lower()}"
        for name, state in states.items()
        if name.startswith("vllm") and state != "EXITED"  # a place for a policy that has none yet
    ]
    if settings.SUPERVISOR_SOCKET is None:  # they are not ours to start
        servers = [f"vLLM is expected at {url}" for url in settings.VLLM_BASE_URLS]
    return f"{written} responses so far; {', '.join(servers)}"


def watch(supervisor: Supervisor, settings: ModuleType) -> None:
    """Say what happens until somebody stops us."""
    started = told = time.monotonic()
    web = pair = False
    failing: set[str] = set()
    while True:
        if not supervisor.is_up():
            raise NotStarted("The supervisor ended by itself; see var/logs/supervisord.log.")
        if not web and web_answers(settings):
            web = True
            show_web(settings)
            if settings.DEMO and not first_pair_is_there():
                print("The first pair comes when vLLM is up and has written responses.", flush=True)
        if web and not pair and settings.DEMO:
            pair = first_pair_is_there()
            if pair:
                print(f"Pairs are ready ({time.monotonic() - started:.0f} s).", flush=True)
            elif time.monotonic() - told > NEWS:
                told = time.monotonic()
                reason = what_it_waits_for(settings, supervisor.states())
                print(f"  waiting for pairs: {reason}", flush=True)
        for program, state in supervisor.states().items():
            if state in {"FATAL", "BACKOFF"} and program not in failing:
                failing.add(program)
                print(f"{program} keeps failing; see var/logs/{program}.log.", flush=True)
            elif state == "RUNNING":
                failing.discard(program)
        time.sleep(0.5 if not (web and pair) else 3)


def claim_address(settings: ModuleType) -> None:
    """Refuse an address where nobody could listen, and tell the web process of any other."""
    address = f"{settings.HTTP_HOST}:{settings.HTTP_PORT}"
    if not is_free(settings.HTTP_HOST, settings.HTTP_PORT):
        raise NotStarted(
            f"HTTP_ADDRESS is {address}, which is taken or not this machine's; set another, such "
            "as HTTP_ADDRESS=127.0.0.1:8001."
        )
    os.environ["ACCORD_BIND"] = address


def make_model(settings: ModuleType) -> None:
    """Convert the demo's model where it is not there yet and no other was named."""
    if os.environ.get("MODEL") or demo_model.is_whole(Path(settings.MODEL_PATH)):
        return
    program = [sys.executable, "-m", "config.demo_model", settings.MODEL_PATH]
    if subprocess.run(program, cwd=ROOT, check=False).returncode:
        raise NotStarted("The demo model is missing; the lines above say why.")


def run(var: Path, cleanup: ExitStack) -> None:
    """Start everything, and watch it until somebody stops us; `cleanup` undoes each step."""
    cleanup.enter_context(only_one(var))
    services_file = var / "services.env"
    services_file.unlink(missing_ok=True)  # left by a run that was killed
    (var / "logs").mkdir(exist_ok=True)
    sockets = embedded.socket_folder(var)
    embedded.make_private(sockets)
    cleanup.callback(shutil.rmtree, sockets, ignore_errors=True)

    supervisor = Supervisor(sockets)
    supervisor.stop()  # left by a run that was killed; it holds the ports
    services = choose_addresses(var, sockets)
    os.environ.update(services)
    settings = read_settings()
    claim_address(settings)

    print(f"Starting Accord in {var}", flush=True)
    if "DATABASE_URL" in services:
        with step("Starting PostgreSQL"):
            server = embedded.start_postgres(var / "postgres")
        cleanup.callback(embedded.stop_postgres, server)
        services["DATABASE_URL"] = server.get_uri(embedded.DATABASE)
        os.environ.update(services)
    write_services(services_file, services)
    cleanup.callback(services_file.unlink, missing_ok=True)

    cleanup.callback(supervisor.stop)
    with step("Starting the supervisor" + (" and Valkey" if "BROKER_URL" in services else "")):
        supervisor.begin()
        if "BROKER_URL" in services:
            supervisor.start("valkey")
            embedded.wait_for_valkey(sockets / "valkey.sock")
    make_model(settings)

    settings = read_settings()  # the database's address may have changed since
    import django

    django.setup()
    prepare_database()

    slots = ["vllm-0", "vllm-1"] if "VLLM_BASE_URL" in services else []
    supervisor.start("web", *slots, *WORKERS, "beat")
    watch(supervisor, settings)


def stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def main() -> None:
    asked_to_stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in asked_to_stop:
        signal.signal(number, stop)
    sentence: str | None = None
    cleanup = ExitStack()
    try:
        run(read_folder(os.environ, "ACCORD_VAR", ROOT / "var"), cleanup)
    except Stop:
        print("\nStopping (a training run saves its state first) ...", flush=True)
    except (NotStarted, ImproperlyConfigured) as refusal:
        sentence = str(refusal)
    except xmlrpc.client.Error as error:
        sentence = f"The supervisor refused: {error}."
    finally:
        for number in asked_to_stop:  # an impatient second Ctrl-C must not leave processes behind
            signal.signal(number, signal.SIG_IGN)
        with suppress(ProcessLookupError):
            cleanup.close()
    if sentence:
        sys.exit(sentence)
    print("Stopped. The data is kept.", flush=True)


if __name__ == "__main__":
    main()
