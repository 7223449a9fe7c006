"""What a labeling page keeps in the browser of an answer that was not given yet."""

from playwright.sync_api import Page

ALL = """() => new Promise((resolve) => {
    const request = indexedDB.open("accord");
    request.onsuccess = () => {
        const all = request.result.transaction("drafts").objectStore("drafts").getAll();
        all.onsuccess = () => { request.result.close(); resolve(all.result); };
    };
})"""
SAVED = f"""async () => {{
    const form = document.querySelector("form.pair");
    const own = ["csrfmiddlewaretoken", "client_key", "seconds"];
    const now = [...new FormData(form)].filter(([name, text]) => !own.includes(name) && text);
    const drafts = await ({ALL})();
    const key = form.dataset.assignment ?? form.dataset.changing;
    const draft = drafts.find(({{ assignment }}) => assignment === key);
    return JSON.stringify(draft?.fields) === JSON.stringify(now);
}}"""


def drafts(page: Page) -> int:
    return len(page.evaluate(ALL))


def wait_until_saved(page: Page) -> None:
    """Until the draft of the pair on the screen is what its form holds; a pause saves it."""
    for _ in range(200):
        if page.evaluate(SAVED):
            return
        page.wait_for_timeout(50)
    raise AssertionError("The draft was not saved.")
