"""What axe finds on the page as it stands."""

from collections.abc import Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def audit(page: Page, rules: Sequence[str] = ()) -> dict[str, Any]:
    """Axe's report by these groups of rules; without any by all of them."""
    # Axe would read imported style sheets anew, as inline styles that our own policy forbids. No
    # rule that is on by default needs that.
    options: dict[str, Any] = {"preload": False}
    if rules:
        options["runOnly"] = list(rules)
    report: dict[str, Any] = Axe().run(page, options=options).response
    return report


def violations(page: Page) -> list[str]:
    """What axe finds in either theme."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in audit(page)["violations"]]
    return found
