"""What a browser does with prompts and responses: it shows them, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models import Campaign, User
from labeling.services.comparisons import create_comparisons
from labeling.services.prompt_imports import import_prompts
from tests.cast import ask, pair
from tests.labeling.test_images import data_url, lines, picture
from tests.labeling.test_rendering import HOSTILE
from tests.pages.axe import audit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RICH = r"""
# Sorting

The mean of $n$ numbers is $\bar{x} = \frac{1}{n} \sum_{i=1}^{n} x_i$; long ones scroll:

$$x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7 + x_8 + x_9 + x_{10} + x_{11} + x_{12} + x_{13} + x_{14}$$

```python
@cache
def mean(values: list[float]) -> float:  # of at least one
    return sum(values) / len(values) or 0.0 if values else float("nan")
```

```diff
-old
+new
```

- مرحبا بالعالم
- 👩‍👩‍👧‍👦
"""
LONG_WORD = "incomprehensibilities" * 60


@pytest.fixture
def open_pair(
    live_server: Any, sign_in: Callable[..., Page], alice: User, campaign: Campaign, policy: Any
) -> Callable[[str, str, str], Page]:
    """The labeling page with one pair of these texts; `seen` collects what the page does."""

    def enter(prompt: str, first: str, second: str) -> Page:
        create_comparisons(campaign=campaign, pairs=[pair(ask(prompt), policy, first, second)])
        page = sign_in(alice)
        page.add_init_script(
            "window.refused = [];"
            "addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective));"
        )
        page.goto(live_server.url + reverse("labeling:work", args=[campaign.pk]))
        return page

    return enter


def test_hostile_texts_ask_for_nothing_and_run_nothing(open_pair, page, live_server):
    asked, spoken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: spoken.append(dialog.message))
    page.on("pageerror", lambda error: spoken.append(str(error)))
    everything = "\n\n".join(HOSTILE)
    open_pair(everything, everything, f"{everything}\n\nand more")
    page.wait_for_load_state("networkidle")
    for element in page.locator(".prose :is(p, math, span, pre)").all()[:40]:
        element.dispatch_event("click")

    assert page.locator(".prose").count() == 3
    assert [url for url in asked if not url.startswith(live_server.url)] == []
    assert page.evaluate("refused") == []  # the policy had nothing to refuse
    assert spoken == []
    assert page.title() != "owned"
    active = "script, style, img, svg, iframe, object, a, [href], [src], [style], [onclick]"
    assert page.locator(".prose").locator(active).count() == 0
    strangers = page.evaluate(
        "[...document.querySelectorAll('.prose math, .prose math *')]"
        ".filter(e => e.namespaceURI !== 'http://www.w3.org/1998/Math/MathML').length"
    )
    assert strangers == 0


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_in_a_text_makes_the_page_wider_than_the_window(open_pair, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_pair(LONG_WORD, RICH, f"{RICH}\n\n{LONG_WORD}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_arabic_runs_from_the_right_and_formulas_are_drawn(open_pair, page):
    open_pair("مرحبا", RICH, RICH + "more")
    arabic = page.locator(".on-left li", has_text="مرحبا")
    assert arabic.evaluate("e => getComputedStyle(e).direction") == "rtl"
    fraction = page.locator(".on-left mfrac").bounding_box()
    assert fraction["height"] > page.locator(".on-left mfrac mi").bounding_box()["height"] * 1.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_and_formulas_can_be_read_by_everyone(open_pair, page, theme):
    page.emulate_media(color_scheme=theme)
    open_pair("Which is better?", RICH, RICH + "more")
    found = audit(page)["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_an_image_in_a_prompt_is_shown_with_words_and_one_in_a_response_calls_nobody(
    page, live_server, sign_in, alice, campaign, settings, tmp_path
):
    settings.ARTIFACTS_URL = f"file://{tmp_path}/artifacts"
    images = [{"src": data_url(picture(size=(1600, 900))), "alt": "A red field."}]
    prompt = [{"role": "user", "content": "Which colour is this?", "images": images}]
    remote = "![red](https://evil.example/red.png)"
    import_prompts(campaign=campaign, file=lines({"prompt": prompt, "responses": [remote, "Red"]}))
    called = []
    page.on("request", lambda request: called.append(request.url))
    sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(live_server.url + reverse("labeling:work", args=[campaign.pk]))
    shown = page.get_by_role("img", name="A red field.")
    expect(shown).to_be_visible()
    page.wait_for_function("document.querySelector('.picture img').naturalWidth === 1600")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert all(url.startswith(live_server.url) for url in called)
    assert not audit(page)["violations"]
