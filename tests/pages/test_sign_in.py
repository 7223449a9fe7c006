"""Signing in, in a browser."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from playwright.sync_api import expect

from labeling.services.invitations import invite
from tests.cast import PASSWORD
from tests.pages.axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def read_qr(page) -> str:
    """What a phone's camera reads from the page."""
    picture = Image.open(io.BytesIO(page.locator(".qr img").screenshot())).convert("RGB")
    return cv2.QRCodeDetector().detectAndDecode(np.array(picture))[0]


def check(page) -> None:
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_second_factor_from_the_qr_code_to_the_next_sign_in(
    page,
    live_server,
    sign_in,
    alice,
    phone,
):
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(alice)
    page.goto(live_server.url + reverse("mfa_index"))
    check(page)
    page.get_by_role("link", name="Turn it on").click()
    check(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Turn on the second factor")).to_be_visible()
    check(page)

    page.emulate_media(color_scheme="dark")
    said = urlsplit(read_qr(page))
    secret = page.get_by_label("Or type this key").input_value()
    assert (said.scheme, said.netloc, said.path) == ("otpauth", "totp", "/alice")
    assert parse_qs(said.query) == {"secret": [secret], "issuer": ["Accord"]}

    phone.secret = secret
    page.get_by_label("Authenticator code").fill(phone.code())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator(".codes li")).to_have_count(10)
    check(page)
    page.goto(live_server.url + reverse("mfa_generate_recovery_codes"))
    check(page)
    page.goto(live_server.url + reverse("mfa_deactivate_totp"))
    check(page)
    page.goto(live_server.url + reverse("account_change_password"))
    check(page)

    page.goto(live_server.url + reverse("mfa_index"))
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    check(page)
    phone.wait()
    page.get_by_label("Code").fill(phone.code())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hello, alice")).to_be_visible()
    assert not [text for text in complaints if "Content Security Policy" in text]


def test_to_a_provider_and_back_past_the_content_security_policy(
    page, live_server, trust, known, campaign, carol
):
    known("nina", email="nina@example.org", email_verified=True, preferred_username="nina")
    invite(
        campaign=campaign, role="labeler", email="nina@example.org", by=carol, now=timezone.now()
    )
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/accounts/login/")
    check(page)
    page.get_by_role("button", name="Sign in with Company").click()
    page.locator("input[name=sub]").fill("nina")
    page.locator("input[name=sub]").press("Enter")
    expect(page.get_by_text("Welcome to Helpfulness")).to_be_visible()
    page.goto(live_server.url + reverse("mfa_index"))
    expect(page.get_by_text("Company, since")).to_be_visible()
    check(page)
    assert not [text for text in complaints if "Content Security Policy" in text]


def test_a_forgotten_password_in_a_browser(page, live_server, alice, settings, mailoutbox):
    settings.MAIL_IS_SENT, settings.PUBLIC_URL = True, live_server.url
    alice.email = "alice@example.org"
    alice.save()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_role("link", name="Forgotten the password?").click()
    check(page)
    page.get_by_label("E-mail address").fill("alice@example.org")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    check(page)
    page.goto(re.findall(r"http\S+", mailoutbox[0].body)[0])
    check(page)
    page.get_by_label("New Password", exact=True).fill("quite another 77")
    page.get_by_label("The same password again").fill("quite another 77")
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="The password is saved")).to_be_visible()
    check(page)
    page.goto(f"{live_server.url}/accounts/password/forgotten/1-none/")
    check(page)
