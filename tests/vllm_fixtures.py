"""A real vLLM on the real model, in this process and as a server: one of each for all tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

REAL_MODEL = Path(
    os.environ.get("MODEL")
    or Path(__file__).parents[1] / "var" / "models" / "SmolLM2-135M-Instruct"
)
SERVED_AS = "smollm2-v0"
LONGEST_START = 300  # seconds; 30 on two idle cores


@pytest.fixture(scope="session")
def real_model() -> Path:
    """The folder of the demo's model, converted once by `make run` or `make test`."""
    if not (REAL_MODEL / "config.json").is_file():
        pytest.fail(f"The demo model is not in {REAL_MODEL}; run `make model` first.")
    return REAL_MODEL


@pytest.fixture(scope="session")
def vllm_engine(real_model: Path):  # type: ignore[no-untyped-def]  # importing vLLM takes seconds
    """vLLM in the test's own process, as PPO uses it."""
    from rlhf.generation.engine import VllmEngine

    return VllmEngine(real_model, max_tokens=256)


@pytest.fixture(scope="session")
def vllm_server(real_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of vLLM's own OpenAI server, offering the real model as smollm2-v0."""
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    options = ["--served-model-name", SERVED_AS, "--dtype", "bfloat16", "--max-model-len", "512"]
    with serving(real_model, free_port(), log, *options) as url:
        yield url


@contextmanager
def serving(model: Path, port: int, log: Path, *options: str, **environment: str) -> Iterator[str]:
    """The base URL of a vLLM server that answers as long as the block lasts."""
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", *options]
    given = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", **environment}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env={**os.environ, **given}, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}/v1"
        wait_until_it_answers(server, url, log)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_it_answers(server: subprocess.Popen, url: str, log: Path) -> None:
    """Return when the server lists its models; fail with the end of its log when it can't."""
    until = time.monotonic() + LONGEST_START
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{url}/models", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    pytest.fail(f"vLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")
