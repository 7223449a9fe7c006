"""Chromium, signed in as somebody, before a live server."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models import Campaign, User
from tests.pages.chromium import ARGUMENTS, executable

# Playwright keeps an event loop in this thread, which Django would take for an async view.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
# A machine that does other things too may need longer than the usual five seconds.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": executable(), "args": ARGUMENTS}


class Underway:
    """Requests that the live server has begun and not ended."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = threading.Condition()

    def begin(self, **_: Any) -> None:
        with self.changed:
            self.count += 1

    def end(self, **_: Any) -> None:
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait_for_none(self, seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.count <= 0, seconds)


@pytest.fixture
def underway() -> Iterator[Underway]:
    requests = Underway()
    request_started.connect(requests.begin)
    request_finished.connect(requests.end)
    yield requests
    request_started.disconnect(requests.begin)
    request_finished.disconnect(requests.end)


@pytest.fixture
def sign_in(page: Page, live_server: Any, underway: Underway) -> Iterator[Callable[..., Page]]:
    """Signs somebody in by the cookie, which is faster than by the form, and returns the page.

    Pages speak with the server in the background, and once more when they are left. All of that
    has to be over before the test's rows are deleted, so the pages are left here and waited for.
    """
    visited: list[Page] = [page]

    def enter(who: User, into: Page = page) -> Page:
        # A client of its own: one that changes its user ends the session before, and the answer to
        # what a page of that session still sends would sign the next person out.
        client = Client()
        client.force_login(who)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
        into.context.add_cookies([cookie])
        visited.append(into)
        return into

    yield enter
    for context in {visitor.context for visitor in visited}:
        for open_page in context.pages:
            open_page.close()
    time.sleep(0.2)  # what a page sends as it closes has left the browser, but may not be here yet
    underway.wait_for_none(10)


# `page.route` takes hold with the next navigation: what an open page sends right after it may still
# go past it. So a test that stands between page and server does that before it opens the page.
@pytest.fixture
def open_work(live_server: Any, sign_in: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a campaign's labeling page as somebody, once its scripts have come.

    With `ahead`, once so many pairs have been read ahead as well.
    """

    def enter(who: User, campaign: Campaign, ahead: int = 0) -> Page:
        page = sign_in(who)
        page.goto(live_server.url + reverse("labeling:work", args=[campaign.pk]))
        expect(page.locator("[data-toggle=differ]")).to_be_visible()
        if ahead:
            expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", str(ahead))
        return page

    return enter
