"""What an authenticator app does: RFC 6238 with its usual settings, written from the RFC."""

import base64
import hmac
import struct
from types import SimpleNamespace
from typing import Any

import pytest

PERIOD = 30  # seconds a code is shown


def code_at(secret: str, seconds: float) -> str:
    counter = struct.pack(">Q", int(seconds) // PERIOD)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"


class Phone:
    """An app with one secret, and the one clock that the server reads too."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.secret = ""

    def code(self) -> str:
        return code_at(self.secret, self.now)

    def wait(self) -> None:
        self.now += PERIOD


@pytest.fixture
def phone(monkeypatch: Any) -> Phone:
    held = Phone()
    clock = SimpleNamespace(time=lambda: held.now)
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", clock)
    return held
