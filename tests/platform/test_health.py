"""/healthz answers 200 only when every part answers, and lists each."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from config import health
from config.celery import app

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (
    "-m celery --app config worker --pool solo --loglevel ERROR "
    "--queues default,generation,training"
)


@pytest.fixture
def fresh_answers(monkeypatch):
    """Each request asks the parts anew."""
    monkeypatch.setattr(health, "_last", None)
    monkeypatch.setattr(health, "KEPT", 0.0)


@pytest.fixture
def broker(valkey_url):
    """The application speaks with a real Valkey."""
    before = app.conf.broker_url
    app.conf.broker_url = valkey_url
    app._after_fork()  # forget connections that were opened to the address before
    yield valkey_url
    app.conf.broker_url = before
    app._after_fork()


@pytest.fixture
def worker(broker):
    """A real Celery worker for all queues."""
    process = subprocess.Popen(
        [sys.executable, *COMMAND.split()],
        cwd=ROOT,
        env={**os.environ, "BROKER_URL": broker},
    )
    try:
        deadline = time.monotonic() + 40
        while "training" not in health.listening_queues():
            assert time.monotonic() < deadline, "the worker did not come up"
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def inference_server(settings):
    """Something that tells vLLM's version as vLLM does."""

    class Version(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/version" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"version": "0.32.0"}).encode())

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Version)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.VLLM_BASE_URLS = [f"http://127.0.0.1:{server.server_port}/v1"]
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(settings, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    settings.MODEL_PATH = str(tmp_path)


def parts_of(answer) -> dict:
    return {part["name"]: part for part in answer.json()["parts"]}


@pytest.mark.django_db(transaction=True)
def test_it_answers_200_when_every_part_answers_and_503_when_one_falls_silent(
    client, fresh_answers, worker, inference_server, model
):
    deadline = time.monotonic() + 20  # on a busy machine a worker may miss the first question
    while (answer := client.get("/healthz")).status_code != 200 and time.monotonic() < deadline:
        pass
    parts = parts_of(answer)
    assert answer.status_code == 200, parts
    assert parts["database"]["version"].startswith("PostgreSQL 18")
    assert parts["broker"]["version"].startswith("Valkey")
    assert parts["vllm: 0"]["version"] == "vLLM 0.32.0"
    assert parts["worker: training"]["version"].startswith("Celery 5")
    assert all(part["latency_ms"] >= 0 for part in parts.values())

    worker.terminate()
    worker.wait(timeout=20)
    answer = client.get("/healthz")
    silent = {name for name, part in parts_of(answer).items() if not part["ok"]}
    assert answer.status_code == 503
    assert silent == {"worker: default", "worker: generation", "worker: training"}


@pytest.mark.django_db(transaction=True)
def test_with_nothing_running_each_silent_part_says_what_is_wrong(client, fresh_answers):
    answer = client.get("/healthz")
    parts = parts_of(answer)
    assert answer.status_code == 503
    assert parts["database"]["ok"]
    assert parts["artifacts"]["ok"]
    for name in ("broker", "vllm: 0", "model", "worker: default"):
        assert not parts[name]["ok"]
        assert parts[name]["note"]


@pytest.mark.django_db(transaction=True)
def test_many_askers_cause_one_round_of_questions(client, monkeypatch):
    monkeypatch.setattr(health, "_last", None)
    rounds = []
    monkeypatch.setattr(health, "all_parts", lambda: rounds.append(1) or [])
    for _ in range(5):
        client.get("/healthz")
    assert len(rounds) == 1
