"""`python -m config.run` starts everything, stops everything, and keeps the data."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import embedded

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Product:
    """The product in a folder of its own, with real servers except vLLM (none is started)."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.var = var
        self.port = free_port()
        self.log = var.parent / f"run-{self.port}.log"
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "BROKER_URL", "SECRET_KEY"}
        }
        kept |= {
            "ACCORD_VAR": str(var),
            "HTTP_ADDRESS": f"127.0.0.1:{self.port}",
            "VLLM_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
            "MODEL": "HuggingFaceTB/SmolLM2-135M-Instruct",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.run"],
            cwd=ROOT,
            env=kept | environment,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_until(self, words: str, seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def processes(self) -> list[psutil.Process]:
        """Everything that works in this folder or under this port, wherever its parent is."""
        sockets = str(embedded.socket_folder(self.var))
        found = {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if str(self.var) in words or sockets in words:
                found[process.pid] = process
        return list(found.values())

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=120)


def still_alive(processes: list[psutil.Process]) -> list[str]:
    """Their names; a zombie is dead, it only waits for its parent to look."""
    left = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.name())
        except psutil.NoSuchProcess:
            pass
    return left


def users(var: Path) -> int:
    import psycopg2

    connection = psycopg2.connect(embedded.database_url(var / "postgres"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM labeling_user")
        return cursor.fetchone()[0]


@pytest.fixture
def var() -> Iterator[Path]:
    # pytest's own folders are too deep for the path of a socket.
    with tempfile.TemporaryDirectory(prefix="accord-run-", ignore_cleanup_errors=True) as folder:
        (Path(folder) / "var").mkdir()
        yield Path(folder) / "var"


@pytest.mark.slow
def test_a_killed_run_is_cleared_away_and_ctrl_c_leaves_no_process_and_loses_no_data(var):
    product = Product(var)
    try:
        product.wait_until("Accord is at http://127.0.0.1:")
        page = urllib.request.urlopen(f"http://127.0.0.1:{product.port}/accounts/login/")
        assert page.status == 200
        assert "labeler" in product.log.read_text()
        assert (var / "services.env").exists()
        people = users(var)
        assert people > 0

        # A second one on the same state is refused in one sentence.
        twin = subprocess.run(
            [sys.executable, "-m", "config.run"],
            cwd=ROOT, env={**os.environ, "ACCORD_VAR": str(var)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert twin.returncode == 1
        assert "already runs" in twin.stderr
        assert twin.stderr.count("\n") == 1

        orphans = [p for p in product.processes() if "postgres" not in p.name()]
        product.process.kill()
        product.process.wait()
        assert len(still_alive(orphans)) > 6

        product = Product(var)
        product.wait_until("Accord is at http://127.0.0.1:")
        assert still_alive(orphans) == []
        assert users(var) == people

        family = product.processes()
        assert any("postgres" in process.name() for process in family)
        assert product.stop(signal.SIGINT) == 0, product.log.read_text()
        assert still_alive(family) == []
        assert not (var / "services.env").exists()
    finally:
        if product.process.poll() is None:
            product.stop()


def test_a_taken_port_is_refused_in_one_sentence(var):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        product = Product(var, HTTP_ADDRESS=address)
        assert product.process.wait(timeout=30) == 1
    assert product.log.read_text().startswith(f"HTTP_ADDRESS is {address}, which is taken")
    assert not (var / "postgres").exists()
