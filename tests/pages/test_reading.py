"""Reading a pair: drafts, what differs, scrolling together, keys of one's own."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from labeling.models import Assignment, Judgment
from labeling.services.comparisons import create_comparisons
from tests.cast import ask, judge, pair
from tests.pages.axe import audit
from tests.pages.drafts import drafts, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_draft_is_back_after_a_crash_and_gone_once_it_is_an_answer(
    open_work, alice, campaign, fill, context
):
    fill(campaign, 3)
    page = open_work(alice, campaign)
    page.keyboard.press("6")
    page.keyboard.press("r")
    page.keyboard.type("half a thought")
    page.get_by_label("unsafe").check()
    wait_until_saved(page)
    again = context.new_page()
    again.goto(page.url)
    page.close()

    expect(again.get_by_label("Why?")).to_have_value("half a thought")
    expect(again.locator("input[name=answer]:checked")).to_have_value("3")
    expect(again.get_by_label("unsafe")).to_be_checked()
    again.get_by_label("Why?").focus()
    again.keyboard.press("Control+Enter")
    expect(again.get_by_label("Why?")).not_to_have_value("half a thought")
    expect(again.locator(".today")).to_have_text("1 judged today")
    assert drafts(again) == 0
    assert Judgment.objects.get().rationale == "half a thought"


def test_signing_out_takes_drafts_from_the_machine(open_work, alice, campaign, fill):
    fill(campaign, 3)
    page = open_work(alice, campaign)
    page.keyboard.press("6")
    wait_until_saved(page)
    assert drafts(page) == 1
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Username")).to_be_visible()
    assert drafts(page) == 0


def test_d_marks_the_words_that_differ_and_takes_the_marks_away(open_work, alice, campaign, policy):
    one = "The **quick brown** fox $x^2$ jumps.\n\n- a\n- b"
    other = "The slow fox $y^2$ jumps & <b>.\n\n- a\n- b\n- c"
    create_comparisons(campaign=campaign, pairs=[pair(ask("Go?"), policy, one, other)])
    Assignment.objects.update(first_on_left=True)
    page = open_work(alice, campaign)
    before = page.locator(".responses").inner_text()
    page.keyboard.press("d")
    expect(page.get_by_role("button", name="What differs")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert page.locator(".on-left mark").all_inner_texts() == ["quick brown", "jumps."]
    right = page.locator(".on-right mark").all_inner_texts()
    assert right == ["slow", "jumps & <b>.", "c"]
    expect(page.locator("math.differs")).to_have_count(2)
    decoration = page.locator(".on-left mark").evaluate_all(
        "marks => marks.map((mark) => getComputedStyle(mark).textDecorationLine)"
    )
    assert set(decoration) == {"underline"}
    assert page.locator(".responses").inner_text() == before
    page.get_by_role("button", name="What differs").click()
    expect(page.locator("mark")).to_have_count(0)
    assert page.locator(".responses").inner_text() == before


def test_l_scrolls_both_answers_to_the_same_share_of_their_length(
    open_work, alice, campaign, policy
):
    lines = [f"Line {n} of it.\n" for n in range(120)]
    short, long = "\n".join(lines[:60]), "\n".join(lines)
    create_comparisons(campaign=campaign, pairs=[pair(ask("Go?"), policy, short, long)])
    page = open_work(alice, campaign)
    for size in ({"width": 1440, "height": 900}, {"width": 390, "height": 844}):
        page.set_viewport_size(size)
        if page.locator("form.scrolls-together").count() == 0:
            page.keyboard.press("l")
        left, right = page.locator(".on-left .prose"), page.locator(".on-right .prose")
        share = "side => side.scrollTop / (side.scrollHeight - side.clientHeight)"
        left.evaluate("side => side.scrollTop = (side.scrollHeight - side.clientHeight) / 2")
        page.wait_for_timeout(200)
        assert right.evaluate(share) == pytest.approx(0.5, abs=0.01)
        right.evaluate("side => side.scrollTop = side.scrollHeight")
        page.wait_for_timeout(200)
        assert left.evaluate(share) == pytest.approx(1, abs=0.01)
    page.get_by_role("button", name="Scroll together").click()
    assert left.evaluate("side => side.scrollHeight === side.clientHeight")


def test_a_key_is_given_another_action_and_the_usual_ones_come_back(
    open_work, alice, campaign, fill
):
    fill(campaign, 2)
    page = open_work(alice, campaign)
    chosen = page.locator("input[name=answer]:checked")
    page.keyboard.press("?")
    refusal = page.locator("[data-key-refused]")
    tie = page.locator("[data-action=choose-T] button")
    tie.click()
    page.keyboard.press("r")
    expect(refusal).to_contain_text("R is the key for “Reason, flags”")
    page.keyboard.press("Control+w")
    expect(refusal).to_contain_text("belong to the browser")
    page.keyboard.press("F5")
    expect(refusal).to_contain_text("is needed to move about")
    page.keyboard.press("q")
    expect(refusal).to_be_hidden()
    expect(tie).to_have_text("Q")
    page.keyboard.press("Escape")

    page.reload()
    expect(page.locator("form.pair kbd[data-key-of=choose-T]")).to_have_text("Q")
    page.keyboard.press("t")
    assert chosen.count() == 0
    page.keyboard.press("q")
    expect(chosen).to_have_value("tie")

    page.keyboard.press("?")
    page.get_by_role("button", name="Use the usual keys again").click()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("t")
    expect(chosen).to_have_value("tie")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_with_everything_switched_on(
    open_work, alice, campaign, policy, context, scheme, width
):
    lines = [f"Line {n} of it, `code` and more.\n" for n in range(60)]
    pairs = [
        pair(ask(f"Go {n}?"), policy, "\n".join(lines), "\n".join([*lines[7:], "other", *lines]))
        for n in range(4)
    ]
    create_comparisons(campaign=campaign, pairs=pairs)
    page = open_work(alice, campaign)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "2")
    page.keyboard.press("d")
    page.keyboard.press("l")
    context.set_offline(True)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for the server.")).to_be_visible()
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    results = audit(page, rules)
    found = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in results["violations"]]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("?")
    page.locator("[data-action=skip] button").click()
    page.keyboard.press("r")
    results = audit(page, rules)
    found += [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in results["violations"]]
    assert not found


def test_the_history_on_a_phone_shows_each_answer_whole(
    page, live_server, sign_in, alice, campaign, fill
):
    fill(campaign, 2)
    judge(alice, campaign)
    sign_in(alice)
    for width, name in ((390, True), (1440, False)):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(live_server.url + reverse("labeling:history"))
        region = page.get_by_role("group", name="Answers")
        overflow = region.evaluate("part => part.scrollWidth - part.clientWidth")
        assert overflow <= 0
        label = region.locator("td").first.evaluate("c => getComputedStyle(c, '::before').content")
        assert ("You chose" in label) is name
        expect(region.get_by_role("cell").first).to_be_visible()
        assert not audit(page)["violations"]
