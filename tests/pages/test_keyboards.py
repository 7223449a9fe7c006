"""Keys of the labeling page on keyboards of other languages, in texts, and for several aspects."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Judgment
from labeling.services.comparisons import create_comparisons
from labeling.services.demonstrations import want_demonstrations
from tests.cast import ask, group, pair

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_kind(live_server, sign_in, campaign, policy):
    """Opens a campaign of one kind with all that may be offered in it."""

    def enter(who, kind: str) -> Page:
        campaign.kind = kind
        campaign.content_warnings = ["violence"]
        if kind == "ranking":
            campaign.strength = 1
        else:
            campaign.strength, campaign.edits_better = 4, kind == "comparison"
            campaign.allow_both_good = campaign.allow_both_bad = True
            campaign.aspects = ["helpful", "honest"]
        campaign.save()
        prompt = ask("Why?")
        responses = pair(prompt, policy, "So.", "Because.")
        if kind == "comparison":
            create_comparisons(campaign=campaign, pairs=[responses])
        elif kind == "ranking":
            group(campaign, policy, "Why not?", ["One.", "Two.", "Three."])
        elif kind == "demonstration":
            want_demonstrations(campaign=campaign, prompts=[prompt], offers={prompt.pk: responses})
        page = sign_in(who)
        page.goto(live_server.url + reverse("labeling:work", args=[campaign.pk]))
        page.get_by_role("button", name="Begin").press("Enter")
        expect(page.get_by_role("button", name="Keys")).to_be_visible()
        return page

    return enter


def press(page: Page, key: str, code: str, shift: bool = False) -> None:
    """What a browser tells of one key: the sign it gives here, and its place on the keyboard."""
    told = {"key": key, "code": code, "shiftKey": shift, "bubbles": True, "cancelable": True}
    page.locator("form.pair").dispatch_event("keydown", told)


def test_keys_work_where_digits_need_shift_and_letters_are_of_another_script(
    open_work, alice, campaign, fill
):
    fill(campaign)
    page = open_work(alice, campaign)
    chosen = page.locator("input[name=answer]:checked")
    press(page, "&", "Digit1")  # French, without Shift
    expect(chosen).to_have_value("-3")
    press(page, "à", "Digit0")
    expect(chosen).to_have_value("tie")
    press(page, "٦", "Digit6")  # Arabic
    expect(chosen).to_have_value("3")
    press(page, "!", "Digit1", shift=True)  # a sign of its own
    press(page, "o", "KeyS")  # Dvorak: its letters say what they are
    expect(chosen).to_have_value("3")
    expect(page.get_by_role("button", name="Skip this pair")).to_be_hidden()
    press(page, "ق", "KeyR")
    expect(page.get_by_label("Why?")).to_be_focused()
    press(page, "؟", "Slash", shift=True)
    expect(page.get_by_role("dialog")).to_be_visible()


def test_escape_leads_out_of_a_text_to_the_single_keys(open_work, alice, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("r")
    page.keyboard.type("6 errors")
    page.keyboard.press("Escape")
    expect(page.locator("form.pair")).to_be_focused()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    judgment = Judgment.objects.get()
    assert (abs(judgment.preference), judgment.rationale) == (3, "6 errors")


@pytest.mark.parametrize("first_on_left", [True, False])
def test_aspects_are_judged_by_keys_and_stored_the_right_way_round(
    open_work, alice, campaign, fill, first_on_left
):
    campaign.aspects = ["helpful", "harmless", "honest"]
    campaign.save()
    fill(campaign)
    Assignment.objects.update(first_on_left=first_on_left)
    page = open_work(alice, campaign)
    for key in ("a", "ArrowLeft", "a", "Space", "a", "ArrowRight", "6", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    judgment = Judgment.objects.get()
    sign = 1 if first_on_left else -1
    assert judgment.preference == 3 * sign
    assert judgment.aspects == {"helpful": -sign, "harmless": 0, "honest": sign}


@pytest.mark.parametrize("kind", ["comparison", "demonstration"])
def test_prompt_and_guidelines_open_and_close_by_keys_and_the_focus_comes_back(
    open_kind, alice, campaign, kind
):
    campaign.guidelines = "Be fair."
    page = open_kind(alice, kind)
    turns = page.locator(".turns")
    page.keyboard.press("p")
    expect(turns).to_be_hidden()
    page.keyboard.press("p")
    expect(turns).to_be_focused()
    for closing in ("m", "Escape"):
        page.keyboard.press("m")
        expect(page.locator("#guidelines .prose")).to_be_focused()
        page.keyboard.press(closing)
        expect(page.locator("#guidelines .prose")).to_be_hidden()
        expect(page.locator("form.pair")).to_be_focused()


# Of a browser, whatever the page does: moving on, pressing, leaving, finding.
RESERVED = {"Tab", " ", "Escape", "/", "'", "F5", "Backspace"}


@pytest.mark.parametrize("kind", ["comparison", "ranking", "demonstration", "chat"])
def test_every_action_in_the_list_has_a_key_of_its_own_and_none_of_the_browsers(
    open_kind, alice, kind
):
    page = open_kind(alice, kind)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys = page.locator("#keys [data-key]").evaluate_all("rows => rows.map(r => r.dataset.key)")
    assert len(keys) > 4
    assert len(set(keys)) == len(keys)
    assert not RESERVED & set(keys)
    assert all(len(key) == 1 or key == "Enter" or key.startswith("Arrow") for key in keys)
    # What the page shows beside its buttons is in the list.
    shown = page.locator("kbd[data-key-of]").evaluate_all("all => all.map(k => k.dataset.keyOf)")
    actions = page.locator("#keys [data-action]").evaluate_all(
        "all => all.map(r => r.dataset.action)"
    )
    assert set(shown) <= set(actions)
