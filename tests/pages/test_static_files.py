"""Scripts as they are served for good: every one by a name that changes with its content."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.template import Context, Template


@pytest.fixture
def collected(settings: Any, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "config.static_files.PageStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_modules_import_each_other_by_names_that_change_with_their_content(collected):
    [entry] = collected.glob("js/work.????????????.js")
    seen, waiting = set(), [entry]
    while waiting:
        script = waiting.pop()
        seen.add(re.sub(r"\.[0-9a-f]{12}", "", script.name))
        for name in re.findall(r"""(?:from|import)\s*["']([^"']+)["']""", script.read_text()):
            assert re.search(r"\.[0-9a-f]{12}\.js$", name), f"{script.name} imports {name}"
            target = (script.parent / name).resolve()
            assert target.is_file(), f"{script.name} imports {name}, which is not there"
            if re.sub(r"\.[0-9a-f]{12}", "", target.name) not in seen:
                waiting.append(target)
    written = {path.name for path in Path("static/js/work").glob("*.js")}
    assert seen == written | {"work.js"}


def test_a_page_names_all_modules_before_they_are_found_out(collected):
    page = Template("{% load modules %}{% module 'js/work.js' %}").render(Context())
    *preloads, entry = re.findall(r'(?:href|src)="/static/js/([^"]+)"', page)
    assert re.fullmatch(r"work\.[0-9a-f]{12}\.js", entry)
    named = {re.sub(r"\.[0-9a-f]{12}", "", name) for name in preloads}
    assert named == {f"work/{path.name}" for path in Path("static/js/work").glob("*.js")}
    assert all((collected / "js" / name).is_file() for name in preloads)


def test_a_page_asks_for_one_style_sheet_that_holds_all_it_imports(collected):
    [shared] = collected.glob("css/shared.????????????.css")
    served = shared.read_text()
    assert "@import" not in served
    written = Path("static/css/shared.css").read_text()
    places = [
        served.index(Path("static/css", name).read_text())
        for name in re.findall(r'@import "(.+)";', written)
    ]
    assert len(places) == 8
    assert places == sorted(places)
