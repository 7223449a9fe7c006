"""Pages in another language: chosen by keyboard, read from the right, and still true."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.cast import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_language_is_chosen_by_keyboard_and_outlives_signing_in(page, live_server, alice):
    page.goto(f"{live_server.url}/accounts/login/")
    page.locator(".languages summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".languages button[value=en]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".languages summary")).to_be_focused()
    expect(page.locator(".languages button[value=ar]")).to_be_hidden()
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.locator("[name=username]").fill("alice")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")
    expect(page.locator("html")).to_have_attribute("lang", "ar")


def test_the_settings_change_the_language_and_lead_back(page, live_server, sign_in, alice):
    sign_in(alice).goto(live_server.url + reverse("labeling:settings"))
    page.get_by_label("Français").check()
    page.get_by_role("button", name="Use this language").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_label("Français")).to_be_checked()
