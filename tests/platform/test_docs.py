"""What the documentation leads to is there: links, commands, files of this repository."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from bench.__main__ import KNOWN

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PARTS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"var"}

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
FILE = re.compile(r"(?<![\w./-])[a-z]\w*/[\w./-]+\.\w+")
MAKE = re.compile(r"\bmake ([a-z]+)")
MANAGE = re.compile(r"manage\.py ([a-z_]+)")
MODULE = re.compile(r"python -m ((?:bench|config|labeling|rewardmodel|rlhf)[\w.]*)(?: ([a-z_]+))?")
DECISION = re.compile(r"\bdecisions? (\d+)\b")


def code_of(text: str) -> str:
    return "\n".join(CODE.findall(text))


def anchors(path: Path) -> set[str]:
    """How GitHub names the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for words in headings}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def document(request):
    return request.param


def test_links_lead_somewhere(document):
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = document.parent / name if name else document
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_commands_are_known(document):
    code = code_of(document.read_text(encoding="utf-8"))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(code)) <= targets
    assert set(MANAGE.findall(code)) <= get_commands().keys()
    for module, measurement in MODULE.findall(code):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
        assert module != "bench" or not measurement or measurement in KNOWN, measurement


def test_files_of_the_repository_are_there(document):
    for name in FILE.findall(code_of(document.read_text(encoding="utf-8"))):
        parts = name.split("/")
        if parts[0] in PARTS and not any(part.isupper() for part in parts):  # a place to fill in
            assert (ROOT / name).exists(), name


def test_decisions_that_are_named_were_taken(document):
    for number in DECISION.findall(document.read_text(encoding="utf-8")):
        assert list((ROOT / "docs" / "decisions").glob(f"{int(number):04d}-*.md")), number


def test_each_decision_has_the_number_of_its_file():
    for decision in (ROOT / "docs" / "decisions").glob("*.md"):
        heading = decision.read_text(encoding="utf-8").partition("\n")[0]
        assert heading.startswith(f"# {decision.name[:4]}: "), decision.name
