"""The scale below a pair: each length of it, in each language, on each width of a window."""

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Judgment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Choices whose words leave their own frame or the window.
CUT = """() => [...document.querySelectorAll(".choice")].filter((choice) => {
  const frame = choice.getBoundingClientRect();
  const words = choice.querySelector(".words").getBoundingClientRect();
  const inside = words.left >= frame.left - 1 && words.right <= frame.right + 1;
  return !inside || words.bottom > frame.bottom + 1 || frame.left < 0 || frame.right > innerWidth;
}).map((choice) => choice.textContent)"""


@pytest.fixture
def nine_points(campaign):
    """All that can stand below a pair at once."""
    campaign.strength = 4
    campaign.allow_tie = campaign.allow_both_good = campaign.allow_both_bad = True
    campaign.aspects = ["helpful", "harmless", "honest"]
    campaign.edits_better = True
    campaign.save()
    return campaign


def test_nine_points_fit_each_language_on_each_window(open_work, alice, nine_points, fill):
    fill(nine_points, 2)
    found = []
    for language, _ in settings.LANGUAGES:
        alice.language = language
        alice.save()
        page = open_work(alice, nine_points)
        for width in (320, 390, 768, 1024, 1200, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((language, width, "wider than the window"))
            found += [(language, width, words) for words in page.evaluate(CUT)]
    assert not found


def horizontal(page: Page, selector: str) -> list[float]:
    boxes = [part.bounding_box() for part in page.locator(selector).all()]
    return [box["x"] for box in boxes if box]


def test_left_is_on_the_left_where_a_language_is_written_from_the_right(
    open_work, alice, nine_points, fill
):
    fill(nine_points, 2)
    Assignment.objects.update(first_on_left=True)
    alice.language = "ar"
    alice.save()
    page = open_work(alice, nine_points)
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    for selector in (".response", ".scale > .side", ".side .choice"):
        places = horizontal(page, selector)
        assert places == sorted(places), selector

    # The arrow that points to the left leads to the left, and what is stored is what is seen there.
    left = page.locator(".on-left .prose").inner_text()
    page.keyboard.press("ArrowLeft")
    chosen = page.locator(".choice:has(:checked)").bounding_box()
    assert chosen
    assert chosen["x"] < 720
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before or "")
    judgment = Judgment.objects.get()
    assert judgment.preference == -1
    assert judgment.comparison.first.text == left


@pytest.mark.parametrize("language", ["en", "ar"])
def test_what_opens_on_a_phone_lies_inside_the_window(
    open_work, alice, nine_points, fill, language
):
    nine_points.guidelines = "Be fair.\n\n" * 40
    nine_points.save()
    fill(nine_points)
    alice.language = language
    alice.save()
    page = open_work(alice, nine_points)
    for width, height in ((390, 844), (320, 640)):
        page.set_viewport_size({"width": width, "height": height})
        for opener, panel in (
            ("#guidelines > summary", "#guidelines > .prose"),
            (".skipping > summary", ".skipping > .panel"),
        ):
            page.locator(opener).click()
            page.locator(f"{panel} >> nth=0").scroll_into_view_if_needed()
            box = page.locator(panel).bounding_box()
            assert box
            assert box["x"] >= 0, panel
            assert box["x"] + box["width"] <= width, panel
            assert box["y"] + box["height"] > 0, panel
            assert box["y"] < height, panel
            page.locator(opener).click()


def test_what_is_chosen_is_seen_where_the_system_chooses_the_colours(
    open_work, alice, nine_points, fill
):
    fill(nine_points)
    page = open_work(alice, nine_points)
    page.emulate_media(forced_colors="active")
    page.keyboard.press("t")
    page.locator("form.pair").focus()  # the ring around what has the focus is not what is meant
    colour = "choice => getComputedStyle(choice).backgroundColor"
    colours = page.locator(".choice").evaluate_all(f"all => all.map({colour})")
    chosen = page.locator(".choice:has(:checked)").evaluate(colour)
    assert colours.count(chosen) == 1
