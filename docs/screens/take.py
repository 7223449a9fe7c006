"""Takes the screenshots in this folder: `make screens`.

Starts its own PostgreSQL and its own server with a campaign in the middle of its life, so that
nothing of a running installation is shown. Each page is taken at 1440 and 390 pixels, in the
light and in the dark theme. Name some pages to take only those: `take.py label round`.
"""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright  # noqa: E402

from config import embedded  # noqa: E402
from tests.pages.chromium import ARGUMENTS, executable  # noqa: E402

WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")
LARGEST = 200_000  # bytes of a picture
TALLEST = 2400  # pixels of a page that are kept


@contextmanager
def server() -> Iterator[tuple[str, object]]:
    """The address of a server of its own, and the scene it shows."""
    with tempfile.TemporaryDirectory(prefix="accord-screens-") as folder:
        os.environ["ACCORD_VAR"] = f"{folder}/var"
        os.environ["DATABASE_URL"] = embedded.database_url(Path(folder) / "postgres")
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        os.environ["SECRET_KEY"] = "the screens show made-up data and nothing else"  # noqa: S105
        os.environ["MAIL_URL"] = "console:"
        os.environ["OPENID_PROVIDERS"] = "company"
        os.environ["OPENID_COMPANY_URL"] = "https://login.example.org"
        os.environ["OPENID_COMPANY_CLIENT_ID"] = "accord"
        os.environ["OPENID_COMPANY_CLIENT_SECRET"] = "none"  # noqa: S105
        os.environ["BROKER_URL"] = "redis://127.0.0.1:9/0"
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright runs a loop in this thread
        postgres = embedded.start_postgres(Path(folder) / "postgres")
        import django

        django.setup()
        from django.conf import settings
        from django.contrib.staticfiles.handlers import StaticFilesHandler
        from django.core.management import call_command
        from django.db import connections
        from django.test.testcases import LiveServerThread

        from tests.pages.scene import set_scene

        settings.STORAGES["staticfiles"]["BACKEND"] = (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
        settings.ALLOWED_HOSTS.append("127.0.0.1")
        call_command("migrate", verbosity=0)
        scene = set_scene()
        thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
        thread.daemon = True
        thread.start()
        thread.is_ready.wait()
        try:
            yield f"http://127.0.0.1:{thread.port}", scene
        finally:
            thread.terminate()
            connections.close_all()
            embedded.stop_postgres(postgres)


def pages(scene: object) -> dict[str, tuple[str, str]]:
    """Name of the picture -> (who looks, address)."""
    from tests.pages.campaign_scene import screens
    from tests.pages.judge_scene import held_out, in_use, leave_behind
    from tests.pages.kinds_scene import group_reviews
    from tests.pages.policy_scene import steered
    from tests.pages.scene import Scene, reviews, unfinished

    assert isinstance(scene, Scene)
    leave_behind(scene.reward_model, held_out(scene))
    best_of = in_use(scene)
    running = unfinished(scene)
    waiting, decided = reviews(scene)
    group_waiting, group_decided = group_reviews(scene.kinds.ranking, scene.parent, scene.manager)
    improving = steered(scene)
    beside = f"/policy-runs/compare/?run={scene.policy_run.pk}&run={improving.pk}"
    return {
        "login": ("", "/accounts/login/"),
        "forgotten-password": ("", "/accounts/password/forgotten/"),
        "ways-to-sign-in": ("lea", "/accounts/methods/"),
        "second-factor": ("lea", "/accounts/methods/app/"),
        "home": ("erik", "/"),
        "label": ("lea", f"/label/{scene.campaign.pk}/"),
        "history": ("lea", "/label/history/"),
        "ranking": ("lea", f"/label/{scene.kinds.ranking.pk}/"),
        "chat": ("lea", f"/label/{scene.kinds.chat.pk}/chat/"),
        "image": ("lea", f"/label/{scene.kinds.image.pk}/"),
        "warning": ("lea", f"/label/{scene.kinds.warned.pk}/"),
        "settings": ("lea", "/label/settings/"),
        "campaigns": ("erik", "/campaigns/"),
        "campaign": ("erik", f"/campaigns/{scene.campaign.pk}/"),
        "audit": ("erik", "/audit/"),
        "people": ("maria", f"/campaigns/{scene.campaign.pk}/people/"),
        "tokens": ("maria", "/account/tokens/"),
        "own-data": ("lea", "/account/data/"),
        "withdraw": ("lea", "/account/data/withdraw/"),
        "new-campaign": ("maria", "/campaigns/new/?from=helpfulness"),
        "quality": ("maria", f"/campaigns/{scene.campaign.pk}/quality/"),
        "guidelines": ("maria", f"/campaigns/{scene.campaign.pk}/guidelines/"),
        "agreement": ("maria", f"/campaigns/{scene.campaign.pk}/about/agreement/"),
        "labelers": ("maria", f"/campaigns/{scene.campaign.pk}/about/labelers/"),
        "policies": ("maria", f"/campaigns/{scene.duel.pk}/about/policies/"),
        "reviews": ("erik", f"/campaigns/{scene.campaign.pk}/review/"),
        "review": ("erik", f"/review/{waiting.pk}/"),
        "reviewed": ("erik", f"/review/{decided.pk}/"),
        "review-group": ("erik", f"/review/{group_waiting.pk}/"),
        "reviewed-group": ("erik", f"/review/{group_decided.pk}/"),
        "progress": ("maria", f"/campaigns/{scene.campaign.pk}/about/progress/"),
        "cost": ("maria", f"/campaigns/{scene.campaign.pk}/about/cost/"),
        **screens(scene),
        "reward-model": ("erik", f"/reward-models/{scene.reward_model.pk}/"),
        "reward-model-running": ("erik", f"/reward-models/{running.pk}/"),
        "suites": ("erik", "/reward-models/suites/"),
        "best-of-n": ("erik", f"/best-of-runs/{best_of.pk}/"),
        "policy": ("erik", f"/policies/{scene.child.pk}/"),
        "lineage": ("erik", f"/policies/{scene.child.pk}/judgments/"),
        "policy-run": ("erik", f"/policy-runs/{scene.policy_run.pk}/"),
        "policy-run-steered": ("erik", f"/policy-runs/{improving.pk}/"),
        "policy-runs-compared": ("erik", beside),
        "write": ("lea", f"/label/{scene.writing.campaign.pk}/write/"),
        "demonstrations": ("erik", f"/campaigns/{scene.writing.campaign.pk}/"),
        "sft-run": ("erik", f"/sft-runs/{scene.writing.run.pk}/"),
        "round": ("erik", f"/rounds/{scene.round.pk}/"),
    }


def sign_in(page: Page, address: str, who: str) -> None:
    from tests.cast import PASSWORD

    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Username").fill(who)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def take(browser: Browser, address: str, wanted: dict[str, tuple[str, str]]) -> None:
    """All pictures, each of the four looks with browsers of its own."""
    for theme, (width, height) in product(THEMES, WIDTHS.items()):
        signed_in: dict[str, BrowserContext] = {}
        for name, (who, path) in wanted.items():
            if who not in signed_in:
                signed_in[who] = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    reduced_motion="reduce",
                )
                if who:
                    sign_in(signed_in[who].new_page(), address, who)
            page = signed_in[who].new_page()
            page.goto(address + path)
            page.wait_for_timeout(400)  # the parts that load themselves
            act(page, name)
            keep(page, HERE / f"{name}-{width}-{theme}.png", whole=name != "label")
            page.close()
        for context in signed_in.values():
            context.close()


def act(page: Page, name: str) -> None:
    """What has to be done on some pages until they show what the picture is of."""
    from tests.cast import PASSWORD

    if name == "label":
        page.keyboard.press("ArrowLeft")
    if name == "second-factor":
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.locator(".qr").wait_for()
    if name == "write":
        page.keyboard.press("1")
        page.keyboard.press("Control+End")
        page.keyboard.type(" In short: **heat** does it.")
        page.wait_for_timeout(900)  # the preview follows a pause


def keep(page: Page, file: Path, *, whole: bool) -> None:
    """One picture, with fewer colours only where it would be large."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))
    picture.save(file, optimize=True)
    if file.stat().st_size > LARGEST:
        picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            file, optimize=True
        )


def main() -> None:
    asked = sys.argv[1:]
    with server() as (address, scene):
        wanted = {name: page for name, page in pages(scene).items() if not asked or name in asked}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
            take(browser, address, wanted)
            browser.close()
    print(f"{len(wanted) * len(WIDTHS) * len(THEMES)} pictures in {HERE}")


if __name__ == "__main__":
    main()
