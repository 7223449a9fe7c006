"""What axe finds on the page as it stands, in either theme."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def violations(page: Page) -> list[str]:
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result = Axe().run(page).response
        found += [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in result["violations"]]
    return found
