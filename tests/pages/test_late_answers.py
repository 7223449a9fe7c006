"""What a labeler did stays when server, network or the browser's database is slow or odd."""

import pytest
from playwright.sync_api import Page, Route, expect

from labeling.models import Assignment, Campaign, Judgment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def answer(page: Page) -> None:
    before = page.locator("form.pair").get_attribute("action")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("form.pair")).not_to_have_attribute("action", before or "")


def test_a_network_that_answers_with_a_page_of_its_own_takes_no_answer_away(
    page, open_work, alice, campaign, fill
):
    fill(campaign, 30)
    asked = []

    def sign_in_to_the_network(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=200, content_type="text/html", body="<h1>Welcome to the hotel</h1>")

    page.route("**/label/answers/**", sign_in_to_the_network)
    open_work(alice, campaign, ahead=23)
    answer(page)
    expect(page.get_by_text("Waiting for the server.")).to_be_visible()
    page.wait_for_timeout(500)
    assert len(asked) < 5  # it waits between two tries
    page.unroute("**/label/answers/**")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("Waiting for the server.")).to_be_hidden()
    assert Judgment.objects.count() == 1


def test_a_database_of_the_browser_that_never_opens_holds_nothing_up(
    page, open_work, alice, campaign, fill
):
    fill(campaign, 3)
    page.add_init_script("IDBFactory.prototype.open = () => ({})")
    open_work(alice, campaign, ahead=1)
    answer(page)
    expect(page.locator(".today")).to_have_text("1 judged today")
    assert Judgment.objects.count() == 1


def test_guidelines_that_change_stay_open_where_they_are_read_and_say_that_they_changed(
    page, open_work, alice, campaign, fill
):
    Campaign.objects.update(guidelines="Be fair.")
    fill(campaign, 3)
    page.route("**/ahead/", lambda route: route.abort())
    open_work(alice, campaign)
    asked: list[Route] = []
    page.route("**/guidelines/", lambda route: asked.append(route))
    Campaign.objects.update(guidelines="Be kind.")
    answer(page)
    summary = page.locator("#guidelines summary")
    summary.focus()
    page.keyboard.press("Enter")
    while not asked:
        page.wait_for_timeout(50)
    asked[0].continue_()
    expect(page.locator("#guidelines")).to_contain_text("Be kind.")
    expect(page.locator("#guidelines")).to_have_attribute("open", "")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("changed")
    expect(page.locator("[data-guidelines-changed]")).to_have_text("The guidelines have changed.")


def kept_until(page: Page) -> list[int]:
    """When the leases of the pairs that are kept for a reload end, on the page's clock."""
    return page.evaluate("""new Promise((resolve) => {
        indexedDB.open("accord").onsuccess = ({ target }) => {
            const pairs = target.result.transaction("pairs").objectStore("pairs").getAll();
            pairs.onsuccess = () => {
                target.result.close();
                resolve(pairs.result.map((pair) => pair.runsOut));
            };
        };
    })""")


def test_nobodys_time_runs_out_over_a_pair_they_work_on(page, open_work, alice, campaign, fill):
    fill(campaign, 3)
    page.clock.install()
    open_work(alice, campaign, ahead=1)  # one is left to bob
    with page.expect_response("**/ahead/"):
        page.clock.run_for(2000)  # then it looks once whether there is more
    until = kept_until(page)
    shown = Assignment.objects.get(pk=page.locator("form.pair").get_attribute("data-assignment"))
    asked = []
    page.on("request", lambda request: "ahead" in request.url and asked.append(request.url))
    page.keyboard.press("Shift")  # long before half of the lease is over
    page.clock.fast_forward(60_000 * (campaign.lease_minutes // 2 + 1))
    page.wait_for_timeout(300)
    assert not asked  # nobody gave a sign
    with page.expect_response("**/ahead/"):
        page.keyboard.press("Shift")
    renewed = Assignment.objects.get(pk=shown.pk)
    assert renewed.leased_until > shown.leased_until
    while min(kept_until(page)) <= max(until):
        page.wait_for_timeout(50)
    page.keyboard.press("Shift")
    page.wait_for_timeout(300)
    assert len(asked) == 1
