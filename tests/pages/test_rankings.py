"""Putting responses in order: by keys, by buttons, by choosing places, by dragging."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models import Judgment, Ranking, Skip
from tests.cast import group
from tests.pages.axe import violations
from tests.pages.drafts import wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXTS = ["Paris.", "Lyon.", "Rome, I think.", "I do not know."]


@pytest.fixture
def open_ranking(live_server, sign_in, ranked, policy):
    """Opens the ranking page as somebody, with so many groups before them."""

    def enter(who, groups=2, into=None) -> Page:
        for n in range(groups):
            group(ranked, policy, f"Question {n}?", TEXTS)
        page = sign_in(who, into) if into else sign_in(who)
        page.goto(live_server.url + reverse("labeling:work", args=[ranked.pk]))
        expect(page.locator(".moves").first).to_be_visible()
        return page

    return enter


def order(page: Page) -> str:
    """The letters on the screen from the top down, with the places they are given."""
    return page.evaluate(
        "[...document.querySelectorAll('[data-card]')]"
        ".map((card) => card.dataset.card + card.querySelector('select').value).join(' ')"
    )


def text_of(page: Page, letter: str) -> str:
    return page.locator(f'[data-card="{letter}"] .prose').inner_text()


def next_group(page: Page, before: str) -> None:
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)


def stored() -> dict[str, int]:
    """The ranks of the one answer there is, by text."""
    ranking = Ranking.objects.select_related("judgment__comparison__group").get()
    candidates = ranking.judgment.comparison.group.candidates.select_related("response")
    return dict(zip((c.response.text for c in candidates), ranking.ranks, strict=True))


def test_responses_are_ordered_by_keys_alone_and_stored_as_ranks(open_ranking, alice):
    page = open_ranking(alice)
    texts = {letter: text_of(page, letter) for letter in "ABCD"}
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("c")
    expect(page.locator('[data-card="C"]')).to_be_focused()
    page.keyboard.press("1")
    assert order(page) == "C1 A2 B3 D4"
    page.keyboard.press("d")
    page.keyboard.press("ArrowUp")
    assert order(page) == "C1 A2 D3 B4"
    page.keyboard.press("t")
    assert order(page) == "C1 A2 D2 B3"
    expect(page.locator("[data-announce]")).to_have_text("Response D: place 2 of 3, tied with A")
    page.keyboard.press("Enter")
    next_group(page, before)
    expect(page.locator(".today")).to_have_text("1 judged today")
    assert stored() == {texts["C"]: 1, texts["A"]: 2, texts["D"]: 2, texts["B"]: 3}
    assert Judgment.objects.count() == 6
    assert Judgment.objects.exclude(assignment=None).get().seconds is not None


def test_a_tie_is_left_upwards_downwards_and_by_its_own_key(open_ranking, alice):
    page = open_ranking(alice)
    page.keyboard.press("b")
    page.keyboard.press("t")
    assert order(page) == "A1 B1 C2 D3"
    page.keyboard.press("t")
    assert order(page) == "A1 B2 C3 D4"
    page.keyboard.press("t")
    page.keyboard.press("ArrowUp")
    assert order(page) == "B1 A2 C3 D4"
    page.keyboard.press("t")
    page.keyboard.press("ArrowDown")
    assert order(page) == "A1 B2 C3 D4"
    page.keyboard.press("4")
    assert order(page) == "A1 C2 D3 B4"
    expect(page.locator("[data-announce]")).to_have_text("Response B: place 4 of 4")


# The page takes keys before the browser has opened its store, which a busy machine makes long.
SLOW_STORE = """
    Object.defineProperty(IDBOpenDBRequest.prototype, "onsuccess", {
        set(done) { this.addEventListener("success", (event) => setTimeout(done, 700, event)); },
    });
"""


def test_a_card_moved_before_the_page_is_complete_keeps_its_place_and_the_keys(
    open_ranking, alice, page
):
    page.add_init_script(SLOW_STORE)
    open_ranking(alice)
    page.keyboard.press("b")
    page.keyboard.press("t")
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "0")
    assert order(page) == "A1 B1 C2 D3"
    page.keyboard.press("t")
    assert order(page) == "A1 B2 C3 D4"


def test_an_order_in_which_nothing_was_moved_counts_only_when_sent_twice(open_ranking, alice):
    page = open_ranking(alice)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="You have moved nothing")).to_be_visible()
    assert order(page) == "A1 B2 C3 D4"
    assert not Judgment.objects.exists()
    page.keyboard.press("Enter")
    next_group(page, before)


def test_buttons_and_choosing_a_place_do_the_same_as_keys(open_ranking, alice):
    page = open_ranking(alice)
    page.get_by_role("button", name="Move response A down").click()
    assert order(page) == "B1 A2 C3 D4"
    page.get_by_label("of response D").select_option("1")
    assert order(page) == "D1 B2 A3 C4"
    page.get_by_role("button", name="Tie response C").click()
    assert order(page) == "D1 B2 A3 C3"
    expect(page.get_by_role("button", name="Tie response A")).to_have_attribute(
        "aria-pressed", "true"
    )


def drag(page: Page, letter: str, onto: str, part: float) -> None:
    handle = page.locator(f'[data-card="{letter}"] [data-handle]').bounding_box()
    page.mouse.move(handle["x"] + 8, handle["y"] + 12)
    page.mouse.down()
    target = page.locator(f'[data-card="{onto}"]').bounding_box()
    page.mouse.move(target["x"] + 60, target["y"] + target["height"] / 2, steps=4)
    target = page.locator(f'[data-card="{onto}"]').bounding_box()
    page.mouse.move(target["x"] + 60, target["y"] + target["height"] * part)
    page.mouse.up()


def test_cards_are_dragged_between_others_and_onto_them(open_ranking, alice):
    page = open_ranking(alice)
    drag(page, "D", "A", 0.1)
    assert order(page) == "D1 A2 B3 C4"
    drag(page, "D", "B", 0.9)
    assert order(page) == "A1 B2 D3 C4"
    drag(page, "C", "A", 0.5)
    assert order(page) == "A1 C1 B2 D3"


def test_a_finger_drags_a_card_on_a_phone(browser, open_ranking, alice, live_server):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = open_ranking(alice, into=context.new_page())
    touch = context.new_cdp_session(page)

    def finger(kind, x=0.0, y=0.0):
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    handle = page.locator('[data-card="B"] [data-handle]').bounding_box()
    finger("touchStart", handle["x"] + 8, handle["y"] + 12)
    target = page.locator('[data-card="A"]').bounding_box()
    finger("touchMove", target["x"] + 40, target["y"] + 40)
    finger("touchMove", target["x"] + 40, target["y"] + 4)
    finger("touchEnd")
    assert order(page) == "B1 A2 C3 D4"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_order_is_back_after_a_reload(open_ranking, alice):
    page = open_ranking(alice)
    page.keyboard.press("d")
    page.keyboard.press("1")
    page.keyboard.press("b")
    page.keyboard.press("t")
    assert order(page) == "D1 A2 B2 C3"
    wait_until_saved(page)
    page.reload()
    expect(page.locator(".ranking.placed")).to_be_visible()
    assert order(page) == "D1 A2 B2 C3"
    expect(page.locator(".more")).not_to_have_attribute("open", "")


def test_the_last_order_is_changed_from_the_page(open_ranking, alice):
    page = open_ranking(alice)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("b")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    next_group(page, before)
    expect(page.locator(".today")).to_have_text("1 judged today")
    page.keyboard.press("u")
    expect(page.get_by_role("status").filter(has_text="You are changing")).to_be_visible()
    expect(page.locator(".ranking.placed")).to_be_visible()
    assert order(page) == "B1 A2 C3 D4"
    page.keyboard.press("d")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your answer is changed.")).to_be_visible()
    assert Ranking.objects.count() == 2
    page.goto(page.url.split("/label/")[0] + reverse("labeling:history"))
    expect(page.get_by_role("cell", name="D > B > A > C")).to_be_visible()


def test_a_group_is_skipped_with_a_reason(open_ranking, alice):
    page = open_ranking(alice)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("s")
    page.keyboard.type("The")
    page.keyboard.press("Tab")
    with page.expect_response("**/label/skips/*/"):
        page.keyboard.press("Enter")
    next_group(page, before)
    assert Skip.objects.count() == 1


def test_a_reason_and_the_letters_in_it_move_nothing(open_ranking, alice):
    page = open_ranking(alice)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("c")
    page.keyboard.press("1")
    page.keyboard.press("r")
    page.keyboard.type("1 bad fact")
    assert order(page) == "C1 A2 B3 D4"
    page.keyboard.press("Control+Enter")
    next_group(page, before)
    expect(page.locator(".today")).to_have_text("1 judged today")
    assert Judgment.objects.exclude(assignment=None).get().rationale == "1 bad fact"


def test_without_javascript_places_are_chosen_and_gaps_are_closed(
    browser, open_ranking, ranked, policy, alice, live_server, sign_in
):
    group(ranked, policy, "Question 0?", TEXTS)
    context = browser.new_context(java_script_enabled=False)
    page = sign_in(alice, context.new_page())
    page.goto(live_server.url + reverse("labeling:work", args=[ranked.pk]))
    texts = {letter: text_of(page, letter) for letter in "ABCD"}
    for letter, place in zip("ABCD", "3144", strict=True):
        page.get_by_label(f"of response {letter}").select_option(place)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    assert stored() == {texts["B"]: 1, texts["A"]: 2, texts["C"]: 3, texts["D"]: 3}


def test_covered_responses_are_not_ordered_unseen(live_server, sign_in, ranked, policy, alice):
    ranked.content_warnings = ["violence"]
    ranked.save()
    group(ranked, policy, "Question 0?", TEXTS)
    page = sign_in(alice)
    page.goto(live_server.url + reverse("labeling:work", args=[ranked.pk]))
    expect(page.get_by_role("heading", name="Before you begin")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("details.veil.blurs")).to_be_visible()
    for key in ("b", "1", "Enter"):
        page.keyboard.press(key)
        expect(page.locator(".veil > summary")).to_be_focused()
        page.locator("form.pair").focus()
    assert order(page) == "A B C D"
    assert not violations(page)
    page.keyboard.press("v")
    page.keyboard.press("b")
    page.keyboard.press("1")
    assert order(page) == "B1 A2 C3 D4"
    assert not violations(page)


def test_axe_finds_nothing_before_and_after_ordering_and_in_the_list_of_keys(open_ranking, alice):
    page = open_ranking(alice)
    assert not violations(page)
    page.keyboard.press("b")
    page.keyboard.press("t")
    assert not violations(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    expect(page.get_by_text("Go to response B")).to_be_visible()
    assert not violations(page)


def test_the_page_never_names_the_author(open_ranking, alice, policy):
    page = open_ranking(alice)
    assert policy.name not in page.content()
