"""Whatever people read can be read in each language that is offered."""

import re
from importlib import import_module

import pytest
from babel.messages.catalog import Catalog
from django.forms import BaseForm
from django.template.base import TextNode
from django.utils.functional import Promise

from config.messages import ROOT, faults, languages, nodes, parsed, sources, templates

PAGES = [path for path in templates() if path.suffix == ".html"]
# Names, units, what is typed as it stands, and the classes that a page gives its body.
SAME = {"Accord", "API", "JSONL", "Parquet", "CSV", "ZIP", "KL", "PPO", "SFT", "ECE", "ms"}
SAME |= {"Authorization", "Bearer", "README", "md", "centred", "work"}
SILENT = re.compile(r"<!--.*?-->|<(script|style|svg)\b.*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
SPOKEN = re.compile(r'\b(?:title|alt|placeholder|aria-label|aria-description)="([^"\0]+)"')
ENTITY = re.compile(r"&#?\w+;")


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    return sources()


@pytest.mark.parametrize("language", languages())
def test_no_text_is_missing_unsure_or_left_over_in_any_language(wanted, language):
    assert not faults(language, wanted), "run `make messages`, and translate what it names"


def test_a_text_that_a_filter_is_given_is_found(wanted):
    assert '{{ invitation.email|default:_("whoever has the link") }}' in (
        ROOT / "templates/labeling/people.html"
    ).read_text("utf-8")
    assert "whoever has the link" in wanted


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_says_nothing_that_can_not_be_translated(path):
    bare = "\0".join(node.s for node in nodes(parsed(path).nodelist) if isinstance(node, TextNode))
    bare = SILENT.sub("", bare)
    read = [*SPOKEN.findall(bare), *TAG.sub("\0", bare).split("\0")]
    words = {word for text in read for word in re.findall(r"[A-Za-z]{2,}", ENTITY.sub("", text))}
    assert words <= SAME


def form_modules() -> list[str]:
    """Where forms are: a module or a package called forms in each app."""
    found = [*ROOT.glob("*/forms/*.py"), *ROOT.glob("*/forms.py")]
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found)


@pytest.mark.parametrize("module", form_modules())
def test_a_form_says_nothing_that_can_not_be_translated(module):
    """A field that takes its words from a column takes them as they stand there, in English."""
    kinds = vars(import_module(module)).values()
    for form in (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseForm)):
        for name, field in getattr(form, "base_fields", {}).items():
            for words in (field.label, field.help_text):
                assert not words or isinstance(words, Promise), f"{form.__name__}.{name}: {words}"
