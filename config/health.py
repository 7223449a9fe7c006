"""GET /healthz: does every part answer?

Each part says its name, whether it answers, its version, and how long the answer took. The parts
are asked at the same time, so that the whole takes as long as the slowest.
"""

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import celery
import fsspec
import httpx
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from config.celery import app
from labeling.access import require_engineer
from rlhf.models import ServingSlot

PATIENCE = 5.0  # seconds for one part to answer; a busy vLLM on a small machine takes over one
ROLL_CALL = 1.5  # seconds in which every worker must answer; the call always takes this long
QUEUES = ("default", "generation", "training")
KEPT = 2.0  # seconds for which one answer serves everybody


@dataclass(frozen=True)
class Part:
    name: str
    ok: bool
    version: str
    latency_ms: float
    note: str = ""


def ask(name: str, check: Callable[[], str]) -> Part:
    """Run one check, which returns a version or raises what is wrong."""
    started = time.monotonic()
    try:
        version, ok, note = check(), True, ""
    except Exception as error:
        version, ok, note = "", False, f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Part(name, ok, version, round(1000 * (time.monotonic() - started), 1), note)


def database_version() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            return f"PostgreSQL {cursor.fetchone()[0]}"
    finally:
        connection.close()  # this thread ends with the check


def broker_version() -> str:
    with app.connection_for_write(connect_timeout=PATIENCE) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
        if broker.transport_cls.startswith("amqp"):
            told = broker.connection.server_properties
            return f"{told.get('product', 'AMQP')} {told.get('version', '')}".strip()
        told = broker.default_channel.client.info("server")
    if "valkey_version" in told:
        return f"Valkey {told['valkey_version']}"
    return f"Redis {told['redis_version']}"


def listening_queues() -> set[str]:
    """The queues that some worker takes work from right now."""
    with app.connection_for_write(connect_timeout=PATIENCE) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
        answers = app.control.inspect(timeout=ROLL_CALL, connection=broker).active_queues() or {}
    return {queue["name"] for queues in answers.values() for queue in queues}


def worker_parts() -> Iterable[Part]:
    """One part for each queue; all of them are learned by asking the workers once."""
    heard: set[str] = set()

    def listen() -> str:
        heard.update(listening_queues())
        return f"Celery {celery.__version__}"

    asked = ask("workers", listen)
    for queue in QUEUES:
        ok = asked.ok and queue in heard
        silence = f"No worker takes work from the queue {queue!r}."
        note = "" if ok else asked.note or silence
        yield Part(f"worker: {queue}", ok, asked.version if ok else "", asked.latency_ms, note)


def vllm_version(url: str) -> str:
    headers = {"Authorization": f"Bearer {settings.VLLM_API_KEY}"} if settings.VLLM_API_KEY else {}
    answer = httpx.get(f"{url.removesuffix('/v1')}/version", headers=headers, timeout=PATIENCE)
    answer.raise_for_status()
    return f"vLLM {answer.json()['version']}"


def vllm_parts() -> Iterable[Part]:
    """One part for each server. One that we start ourselves is idle until it gets a policy."""
    try:
        wanted = set(ServingSlot.objects.values_list("number", flat=True))
    except Exception:  # the part "database" tells why
        wanted = set()
    finally:
        connection.close()
    ours = settings.SUPERVISOR_SOCKET is not None
    for number, url in enumerate(settings.VLLM_BASE_URLS):
        name = f"vllm: {number}"
        if ours and wanted and number not in wanted:
            yield Part(name, True, "", 0.0, "Idle: it has no policy to serve.")
        else:
            yield ask(name, partial(vllm_version, url))


def artifacts_version() -> str:
    """Write, read and delete a small object where artifacts are kept."""
    files, folder = fsspec.core.url_to_fs(settings.ARTIFACTS_URL)
    files.makedirs(folder, exist_ok=True)
    path, content = f"{folder}/healthz-{uuid.uuid4().hex}", b"accord"
    files.pipe_file(path, content)
    try:
        if files.cat_file(path) != content:
            raise OSError("What was written is not what is read.")
    finally:
        files.rm_file(path)
    return f"fsspec {fsspec.__version__}"


def model_version() -> str:
    """The model's name; whether vLLM can serve it is what its own part tells."""
    folder = Path(settings.MODEL_PATH)
    if not folder.is_absolute():
        return settings.MODEL_PATH  # a hub name: vLLM fetches it
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"There is no model in {folder}.")
    return folder.name


def one(name: str, check: Callable[[], str]) -> Iterable[Part]:
    return [ask(name, check)]


def all_parts() -> list[Part]:
    questions: list[Callable[[], Iterable[Part]]] = [
        partial(one, "database", database_version),
        partial(one, "broker", broker_version),
        worker_parts,
        vllm_parts,
        partial(one, "artifacts", artifacts_version),
        partial(one, "model", model_version),
    ]
    with ThreadPoolExecutor(len(questions)) as threads:
        return [part for parts in threads.map(lambda ask: list(ask()), questions) for part in parts]


_lock = Lock()
_last: tuple[float, list[Part]] | None = None


def recent_parts() -> list[Part]:
    """What the parts said at most two seconds ago; many askers cause one round of questions."""
    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] > KEPT:
            _last = time.monotonic(), all_parts()
        return _last[1]


@never_cache
@login_required
def health(request: HttpRequest) -> HttpResponse:
    """The same as a page, for the people who steer."""
    require_engineer(request.user)  # type: ignore[arg-type]
    return render(request, "health.html", {"parts": recent_parts()})


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when every part answers, else 503; either way each part is listed."""
    parts = recent_parts()
    ok = all(part.ok for part in parts)
    body = {"ok": ok, "parts": [asdict(part) for part in parts]}
    return JsonResponse(body, status=200 if ok else 503)
