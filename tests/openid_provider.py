"""A real OpenID Connect provider, and somebody who has an account with it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from config.openid import read_providers
from config.run import free_port


@pytest.fixture(scope="session")
def openid_url() -> Iterator[str]:
    """The provider's address. Each test sets up the people it needs.

    A process of its own: vLLM looks at everything that this one has imported, and stumbles over
    the proxies of Flask.
    """
    port = free_port(9400)
    url = f"http://localhost:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    insecure = {"AUTHLIB_INSECURE_TRANSPORT": "1"}  # http, within this machine
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    provider = subprocess.Popen(command, env={**os.environ, **insecure}, **quiet)  # type: ignore[call-overload]
    try:
        while not _answers(url):
            assert provider.poll() is None, "the provider did not start"
            time.sleep(0.1)
        yield url
    finally:
        provider.terminate()
        provider.wait()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/.well-known/openid-configuration").is_success
    return False


@pytest.fixture
def trust(openid_url: str, settings: Any) -> Callable[..., None]:
    """Sets the product up with this provider, called Company."""

    def set_up(url: str = openid_url, **more: str) -> None:
        given = {"URL": url, "CLIENT_ID": "accord", "CLIENT_SECRET": "shared", **more}
        environment = {f"OPENID_COMPANY_{name}": value for name, value in given.items()}
        found = read_providers({"OPENID_PROVIDERS": "company", **environment}, "OPENID_PROVIDERS")
        settings.OPENID_PROVIDERS = found
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {"APPS": [provider.app() for provider in found.values()]}
        }

    set_up()
    return set_up


@pytest.fixture
def known(openid_url: str) -> Callable[..., None]:
    """Says what the provider knows about somebody."""

    def tell(sub: str, **claims: Any) -> None:
        httpx.put(f"{openid_url}/users/{sub}", json=claims).raise_for_status()

    return tell


def come_by(
    client: Client, sub: str, process: str = "login", address: str = "", **form: str
) -> Any:
    """Go to the provider, say there who one is, and come back; the answer that one gets."""
    start = reverse("openid_connect_login", args=["company"])
    leaving = client.post(start, {"process": process, "next": address})
    if leaving.status_code != 200:
        return leaving
    back = httpx.post(leaving.context["address"], data={"sub": sub})
    assert back.status_code == 302, back.text
    landing = urlsplit(back.headers["location"])
    return client.get(f"{landing.path}?{landing.query}")
