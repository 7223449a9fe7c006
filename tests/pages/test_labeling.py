"""The labeling page, in a real browser."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from labeling.models import Assignment, Judgment, Policy, Response
from labeling.services.assignments import claim_next
from labeling.services.comparisons import create_comparisons
from tests.cast import PASSWORD, ask, judge, pair

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def shown(page: Page) -> tuple[str, str]:
    return (
        page.locator(".on-left .prose").inner_text(),
        page.locator(".on-right .prose").inner_text(),
    )


def next_pair(page: Page, before: str) -> None:
    expect(page.locator("form.pair")).not_to_have_attribute("action", before)


@pytest.mark.parametrize("first_on_left", [True, False])
def test_two_key_strokes_judge_a_pair_whatever_side_the_first_is_on(
    open_work, alice, campaign, fill, first_on_left
):
    fill(campaign, 2)
    Assignment.objects.update(first_on_left=first_on_left)
    page = open_work(alice, campaign)
    left, _ = shown(page)
    before = page.locator("form.pair").get_attribute("action")

    page.keyboard.press("2")  # left is better, two of three
    page.keyboard.press("Enter")

    next_pair(page, before)
    judgment = Judgment.objects.get()
    better = judgment.comparison.first if judgment.preference < 0 else judgment.comparison.second
    assert better.text == left
    assert abs(judgment.preference) == 2
    assert judgment.labeler == alice
    assert judgment.seconds is not None


def test_arrows_walk_along_the_scale_and_t_is_a_tie(open_work, alice, campaign, fill):
    fill(campaign, 2)
    page = open_work(alice, campaign)
    chosen = page.locator("input[name=answer]:checked")
    page.keyboard.press("ArrowRight")
    expect(chosen).to_have_value("1")
    page.keyboard.press("ArrowRight")
    expect(chosen).to_have_value("2")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(chosen).to_have_value("-2")

    page.keyboard.press("t")
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("Enter")
    next_pair(page, before)
    assert Judgment.objects.get().equal == "tie"


def test_an_answer_without_a_choice_is_not_sent(open_work, alice, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).to_have_attribute("data-state", "ready")
    assert not Judgment.objects.exists()


def test_a_double_click_stores_one_answer(open_work, alice, campaign, fill):
    fill(campaign, 3)
    page = open_work(alice, campaign)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.get_by_role("button", name="Submit").dblclick()
    next_pair(page, before)
    page.wait_for_timeout(300)
    assert Judgment.objects.count() == 1


def test_a_reason_and_flags_go_with_the_answer(open_work, alice, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("6")
    page.keyboard.press("r")
    page.keyboard.type("2 facts are wrong")  # digits in a text select nothing
    page.get_by_label("unsafe").check()
    page.get_by_label("Why?").focus()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    judgment = Judgment.objects.get()
    assert judgment.rationale == "2 facts are wrong"
    assert judgment.flags == ["unsafe"]
    assert abs(judgment.preference) == 3


def test_a_list_of_pairs_that_comes_late_brings_no_answered_pair_back(
    open_work, alice, campaign, fill
):
    fill(campaign, 12)
    page = open_work(alice, campaign, ahead=1)
    late: list[Route] = []
    page.route("**/ahead/", lambda route: late.append(route))
    page.reload()
    while not late:
        page.wait_for_timeout(50)
    names_the_second = late[0].fetch()
    answered = []
    for number in range(3):
        answered.append(page.locator("form.pair").get_attribute("action"))
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        next_pair(page, answered[-1])
        if number == 1:  # both are stored and forgotten before the list comes
            late[0].fulfill(response=names_the_second)
            expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "0")
    assert page.locator("form.pair").get_attribute("action") not in answered
    assert Judgment.objects.count() == 3


def test_where_no_pair_was_read_ahead_an_answer_brings_the_next_one(
    open_work, alice, campaign, fill, page
):
    fill(campaign, 3)
    page.route("**/ahead/", lambda route: route.abort())
    open_work(alice, campaign)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    answered = [page.locator("form.pair").get_attribute("action")]
    for _ in range(2):
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        next_pair(page, answered[-1])
        answered.append(page.locator("form.pair").get_attribute("action"))
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    assert Judgment.objects.count() == len(set(answered)) == 3
    of_pairs = [each.partition("/label/")[2] for each in asked if "/ahead/" not in each]
    assert of_pairs == [address.partition("/label/")[2] for address in answered]


def test_a_pair_read_ahead_before_an_answer_is_stored_counts_it_all_the_same(
    open_work, alice, campaign, fill
):
    fill(campaign, 12)
    page = open_work(alice, campaign, ahead=10)
    for stored in ("1 judged today", "2 judged today"):
        before = page.locator("form.pair").get_attribute("action")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        next_pair(page, before)
        expect(page.locator(".today")).to_have_text(stored)
    answers: list[Route] = []
    page.route("**/label/answers/*/", lambda route: answers.append(route))
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    next_pair(page, before)  # rendered while nothing was stored
    expect(page.locator(".today")).to_have_text("2 judged today")


def test_a_hidden_tab_costs_no_attention(page, open_work, alice, campaign, fill):
    fill(campaign)
    page.clock.install()
    open_work(alice, campaign)
    turn = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.clock.run_for(100_000)
    page.evaluate(turn, True)
    page.clock.run_for(3_000_000)
    page.evaluate(turn, False)
    page.clock.run_for(50_000)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No pair is waiting")).to_be_visible()
    assert 150 <= (Judgment.objects.get().seconds or 0) < 1000


def test_two_tabs_show_the_same_pair_and_the_second_answer_is_refused(
    open_work, alice, campaign, fill, context
):
    fill(campaign, 2)
    one = open_work(alice, campaign)
    other = context.new_page()
    other.goto(one.url)
    assert shown(one) == shown(other)

    before = one.locator("form.pair").get_attribute("action")
    one.keyboard.press("1")
    one.keyboard.press("Enter")
    next_pair(one, before)
    other.keyboard.press("6")
    other.keyboard.press("Enter")
    expect(other.get_by_role("alert")).to_have_text(
        "You have answered this comparison already; the first answer counts."
    )
    expect(other.locator("[data-refused]")).to_contain_text("Right is much better")
    assert Judgment.objects.count() == 1
    other.keyboard.press("Enter")
    expect(other.locator("form.pair")).to_be_visible()


def test_time_that_ran_out_is_said_and_the_answer_is_shown(open_work, alice, bob, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    # It has asked for more by then, which leases the pair anew.
    expect(page.locator("[data-outbox]")).to_have_attribute("data-ready", "0")
    Assignment.objects.update(leased_until=timezone.now() - timedelta(minutes=1))
    assert claim_next(labeler=bob, campaign=campaign, now=timezone.now())

    page.keyboard.press("1")
    page.keyboard.press("r")
    page.keyboard.type("kept")
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("alert")).to_have_text(
        "Your time on this comparison ran out, so it went to someone else."
    )
    expect(page.get_by_text("kept", exact=True)).to_be_visible()
    expect(page.locator("[data-refused]")).to_contain_text("Left is much better")
    assert not Judgment.objects.exists()


def test_a_lost_connection_is_waited_for_and_nothing_is_stored_twice(
    page, open_work, alice, campaign, fill
):
    fill(campaign, 2)
    lost = []

    def lose(route: Route) -> None:
        """The first answer reaches the server, but its response is lost; then all is well."""
        if not lost:
            lost.append(route.request.post_data)
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/label/answers/**", lose)
    open_work(alice, campaign)
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for the server")).to_be_visible()
    next_pair(page, before)
    assert Judgment.objects.count() == 1


def test_a_labeler_who_was_signed_out_keeps_the_answer(
    open_work, sign_in, alice, campaign, fill, context
):
    fill(campaign, 2)
    page = open_work(alice, campaign)
    context.clear_cookies(name="sessionid")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have been signed out.")).to_be_visible()
    expect(page.locator("[data-count]")).to_have_text("1")
    sign_in(alice)
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("You have been signed out.")).to_be_hidden()
    assert abs(Judgment.objects.get().preference) == 3


def test_the_page_never_names_the_author(open_work, alice, campaign, fill):
    fill(campaign, 2)
    policy = Policy.objects.get()
    page = open_work(alice, campaign)
    for _ in range(2):
        html = page.content().lower().replace("seconds", "")
        for giveaway in (policy.slug, policy.name, policy.checkpoint, "first", "second", "policy"):
            assert giveaway not in html
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)


HOSTILE = """
<script>document.title = "owned"</script>
<img src="https://evil.example/a.png" onerror="document.title='owned'">
![remote](https://evil.example/b.png)
[click](javascript:document.title='owned') <https://evil.example/>
<style>body { display: none }</style>
<p style="position:fixed" onclick="document.title='owned'">p</p>
<iframe src="https://evil.example"></iframe>

| a | b |
|---|---|
| **bold** | `code` |

```html
<b>shown as text</b>
```
"""


def test_hostile_markdown_does_nothing(open_work, alice, campaign, policy):
    create_comparisons(
        campaign=campaign, pairs=[pair(ask(HOSTILE), policy, HOSTILE, "harmless " + HOSTILE)]
    )
    outside = []
    page = open_work(alice, campaign)
    page.on("request", lambda request: outside.append(request.url))
    page.reload()
    page.wait_for_timeout(300)

    texts = page.locator(".prose")
    assert texts.count() == 3
    for tag in ("script", "img", "a", "style", "iframe", "[style]", "[onclick]"):
        assert texts.locator(tag).count() == 0, tag
    assert texts.first.locator("table strong").inner_text() == "bold"
    assert "<b>shown as text</b>" in texts.first.locator("pre").inner_text()
    assert page.title() != "owned"
    assert not [address for address in outside if "evil.example" in address]


def test_without_javascript_the_form_still_works(browser, live_server, alice, campaign, fill):
    fill(campaign, 2)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/accounts/login/?next=/label/{campaign.pk}/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("form.pair").get_by_label("Left is slightly better").check()
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("form.pair")).to_be_visible()
    assert Judgment.objects.count() == 1
    context.close()


def test_single_keys_can_be_switched_off(open_work, alice, campaign, fill):
    fill(campaign)
    page = open_work(alice, campaign)
    page.keyboard.press("?")
    page.get_by_label("Single keys are on").uncheck()
    page.keyboard.press("Escape")
    page.locator("form.pair").focus()
    page.keyboard.press("1")
    assert page.locator("input[name=answer]:checked").count() == 0


# Without a browser: what the address alone decides -----------------------------------------------


def answer(assignment: Assignment, **more: str) -> dict[str, str]:
    return {"answer": "1", "client_key": str(uuid.uuid4()), **more}


def test_a_stranger_does_not_find_the_campaign(client, mallory, campaign, fill):
    [assignment] = fill(campaign)
    client.force_login(mallory)
    assert client.get(reverse("labeling:work", args=[campaign.pk])).status_code == 404
    address = reverse("labeling:judge", args=[assignment.pk])
    assert client.post(address, answer(assignment)).status_code == 404


def test_someone_elses_pair_is_not_shown_to_who_sends_nonsense(client, alice, bob, campaign, fill):
    fill(campaign)
    assignment = claim_next(labeler=bob, campaign=campaign, now=timezone.now())
    client.force_login(alice)
    response = client.post(reverse("labeling:judge", args=[assignment.pk]), {"answer": "sideways"})
    assert response.status_code == 422
    assert Response.objects.first().text not in response.content.decode()


@pytest.mark.parametrize("sent", ["9", "-4", "both_good", "", "1e3", "left", "1\x00"])
def test_an_answer_off_the_scale_is_refused_with_a_sentence(client, alice, campaign, fill, sent):
    fill(campaign)
    assignment = claim_next(labeler=alice, campaign=campaign, now=timezone.now())
    client.force_login(alice)
    response = client.post(
        reverse("labeling:judge", args=[assignment.pk]), answer(assignment, answer=sent)
    )
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert not Judgment.objects.exists()


def test_a_rationale_of_a_megabyte_is_refused(client, alice, campaign, fill):
    fill(campaign)
    assignment = claim_next(labeler=alice, campaign=campaign, now=timezone.now())
    client.force_login(alice)
    response = client.post(
        reverse("labeling:judge", args=[assignment.pk]),
        answer(assignment, rationale="x" * 1_000_000),
    )
    assert response.status_code == 422
    assert not Judgment.objects.exists()


def test_the_empty_page_says_what_to_do_next(client, alice, campaign, fill):
    fill(campaign)
    judge(alice, campaign)
    client.force_login(alice)
    page = client.get(reverse("labeling:work", args=[campaign.pk])).content.decode()
    assert "No pair is waiting for you here" in page
    assert "Other campaigns" in page
