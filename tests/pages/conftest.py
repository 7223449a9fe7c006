"""Chromium, signed in as somebody, before a live server."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page

from labeling.models import User
from tests.pages.chromium import ARGUMENTS, executable

# Playwright keeps an event loop in this thread, which Django would take for an async view.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": executable(), "args": ARGUMENTS}


@pytest.fixture
def sign_in(page: Page, live_server: Any, client: Client) -> Callable[..., Page]:
    """Signs somebody in by the cookie, which is faster than by the form, and returns the page."""

    def enter(who: User, into: Page = page) -> Page:
        client.force_login(who)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        into.context.add_cookies([cookie])
        return into

    return enter
