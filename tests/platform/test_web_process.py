"""What the web process is, and what it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WEB_PROCESS = """
import sys
from config.wsgi import application
from django.test import Client
from django.urls import get_resolver, resolve

get_resolver().url_patterns  # imports every view
resolve("/accounts/login/"), resolve("/healthz")
Client(headers={"host": "localhost"}).get("/healthz")
heavy = {"torch", "transformers", "vllm", "peft", "accelerate"} & set(sys.modules)
sys.exit(f"The web process loaded {heavy}." if heavy else 0)
"""


def test_the_web_process_never_imports_torch():
    ended = subprocess.run(
        [sys.executable, "-c", WEB_PROCESS],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]


@pytest.mark.django_db
def test_pages_allow_no_foreign_and_no_inline_code(client):
    headers = client.get("/accounts/login/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
