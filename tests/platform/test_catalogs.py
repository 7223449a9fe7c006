"""Catalogs: compiled without a step that somebody has to remember."""

import gettext
import os
from pathlib import Path

import pytest

from config.catalogs import NAME, compiled

ENTRY = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Sign in"
msgstr "{words}"
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    source = tmp_path / "locale" / "de" / NAME
    source.parent.mkdir(parents=True)
    return source


def read(folder: Path) -> str:
    return gettext.translation("django", folder, ["de"]).gettext("Sign in")


def write(catalog: Path, words: str, second: int) -> None:
    catalog.write_text(ENTRY.format(words=words), "utf-8")
    os.utime(catalog, (second, second))


def test_a_catalog_is_compiled_where_there_is_none(catalog, tmp_path):
    write(catalog, "Anmelden", second=1_000)
    assert read(compiled(tmp_path / "locale", tmp_path / "made")) == "Anmelden"


@pytest.mark.parametrize("second", [900, 1_100])
def test_a_catalog_that_changed_is_compiled_anew_whether_its_time_is_later_or_earlier(
    catalog, tmp_path, second
):
    write(catalog, "Anmelden", second=1_000)
    compiled(tmp_path / "locale", tmp_path / "made")
    gettext._translations.clear()
    write(catalog, "Einloggen", second=second)
    assert read(compiled(tmp_path / "locale", tmp_path / "made")) == "Einloggen"


def test_a_catalog_that_is_current_is_left_alone(catalog, tmp_path):
    write(catalog, "Anmelden", second=1_000)
    made = compiled(tmp_path / "locale", tmp_path / "made") / "de/LC_MESSAGES/django.mo"
    before = made.stat().st_ino
    compiled(tmp_path / "locale", tmp_path / "made")
    assert made.stat().st_ino == before
    assert [path.name for path in made.parent.iterdir()] == ["django.mo"]
