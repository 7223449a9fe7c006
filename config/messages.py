"""What people read, as the sources have it and as each catalog in locale/ translates it.

`make messages` runs this: it writes what is new into the catalogs and says what is to be done.
Templates are read by Django's own parser, so a text is found exactly as a page asks for it. The
sentence of a refusal is the docstring of its class; all else in Python goes through gettext.
"""

import argparse
import ast
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po, write_po
from django.template import Template, engines
from django.template.base import FilterExpression, Node, NodeList, Variable
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.functional import Promise
from django.utils.translation import override

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
PACKAGES = ("config", "labeling", "rewardmodel", "rlhf")
PURE = ("learning", "generation", "oversight")  # know no Django, and nobody reads them in a page
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# Of a catalog's header: what version control knows better.
UNSAID = tuple(
    f'"{name}'
    for name in (
        "Project-Id-Version",
        "Report-Msgid-Bugs-To",
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Last-Translator",
        "Language-Team",
        "Generated-By",
    )
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")


@dataclass(frozen=True)
class Found:
    """One text of the sources: its place, and what gettext is asked for."""

    file: str
    line: int
    words: str | tuple[str, str]  # singular and plural where a number decides
    context: str | None = None
    comments: tuple[str, ...] = ()


# Templates ----------------------------------------------------------------------------------------


def templates() -> list[Path]:
    return sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())


def parsed(path: Path) -> Template:
    engine = engines["django"].engine  # type: ignore[attr-defined]
    return Template(path.read_text(encoding="utf-8"), engine=engine)


def nodes(of: Node | NodeList) -> Iterator[Node]:
    """Every node below this one, in the order of the file."""
    for node in of if isinstance(of, NodeList) else [of]:
        yield node
        for inner in node.__dict__.values():
            if isinstance(inner, NodeList):
                yield from nodes(inner)
        if hasattr(node, "conditions_nodelists"):  # {% if %}
            for _, inner in node.conditions_nodelists:
                yield from nodes(inner)


def expressions(node: Node) -> Iterator[FilterExpression]:
    """Values a tag or a {{ variable }} works with, wherever the node keeps them."""
    waiting: list[object] = list(node.__dict__.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, FilterExpression):
            yield value
        elif isinstance(value, NodeList):
            continue
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def in_template(path: Path) -> Iterator[Found]:
    file = path.relative_to(ROOT).as_posix()
    for node in nodes(parsed(path).nodelist):
        line = (node.token and node.token.lineno) or 0
        if isinstance(node, TranslateNode):
            asked = doubled(str(literal(node.filter_expression)))
            yield Found(file, line, asked, literal(node.message_context))
        elif isinstance(node, BlockTranslateNode):
            singular = node.render_token_list(node.singular)[0]
            plural = node.render_token_list(node.plural)[0] if node.plural else None
            words = (singular, plural) if plural else singular
            yield Found(file, line, words, literal(node.message_context))
        else:
            for value in values(node):
                if isinstance(value, Variable) and value.translate:  # _("...") within a tag
                    yield Found(file, line, doubled(str(value.literal)))
                elif isinstance(value, Promise):  # _("...") given to a filter
                    with override(None):
                        yield Found(file, line, str(value))


def literal(expression: FilterExpression | None) -> str | None:
    """What stands in the template, where a text stands there and no variable."""
    value = expression and expression.var
    return str(value.literal) if isinstance(value, Variable) else str(value or "") or None


def values(node: Node) -> Iterator[object]:
    """Variables and constants of a tag or a {{ variable }}, those given to its filters too."""
    for expression in expressions(node):
        yield expression.var
        for _, given in expression.filters:
            yield from (value for _, value in given)


def doubled(words: str) -> str:
    """Percent signs as Django asks gettext for them."""
    return words.replace("%", "%%")


# Python -------------------------------------------------------------------------------------------


def modules() -> list[Path]:
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not {"migrations", *PURE} & set(path.relative_to(ROOT).parts)
    )


def in_module(path: Path) -> Iterator[Found]:
    file, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for line, words, comments, context in extract(
        "python", io.BytesIO(source.encode()), KEYWORDS, ("Translators:",), {"encoding": "utf-8"}
    ):
        ids = tuple(words) if isinstance(words, tuple | list) else words
        yield Found(file, line, ids, context, tuple(comments))  # type: ignore[arg-type]
    if path.name == "errors.py":
        yield from refusals(file, source)


def refusals(file: str, source: str) -> Iterator[Found]:
    """The docstring of a refusal is the sentence that is read."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and (said := ast.get_docstring(node)):
            yield Found(file, node.lineno, " ".join(said.split()))


# Catalogs -----------------------------------------------------------------------------------------


def sources() -> Catalog:
    """Everything that is read, from the templates and modules as they are now."""
    catalog = Catalog(domain="django", project="Accord", charset="utf-8")
    for found in [
        *(found for path in templates() if path.suffix == ".html" for found in in_template(path)),
        *(found for path in modules() for found in in_module(path)),
    ]:
        catalog.add(
            found.words,
            locations=[(found.file, found.line)],
            auto_comments=found.comments,
            context=found.context,
        )
    return catalog


def languages() -> list[str]:
    """Languages other than the one the sources are written in."""
    from django.conf import settings

    return [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def path_of(language: str) -> Path:
    from django.utils.translation import to_locale

    return LOCALE / to_locale(language) / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    from django.utils.translation import to_locale

    path = path_of(language)
    if not path.is_file():
        return Catalog(locale=to_locale(language), domain="django", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=to_locale(language))


def write(language: str, catalog: Catalog) -> None:
    """Without places, dates and names: a moved line must not change five files."""
    path = path_of(language)
    catalog.header_comment = (
        "# What people read in Accord; docs/translating.md says how to change it."
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    write_po(written, catalog, width=100, no_location=True, sort_output=True, ignore_obsolete=True)
    lines = written.getvalue().decode().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(UNSAID)), "utf-8")


def lacks(message: Message, translation: Message | None) -> str:
    """What is wrong with the translation of a text, in a word or two; nothing if nothing is."""
    if translation is None:
        return "missing"
    if translation.fuzzy:
        return "fuzzy"
    forms = several(translation.string)
    if not all(form.strip() for form in forms):
        return "empty"
    wanted = set(PLACEHOLDER.findall(several(message.id)[-1]))
    for form in forms:
        used = set(PLACEHOLDER.findall(form))
        # The form for one or two may leave the number out, as "a pair" does; the last one may not.
        spare = 0 if form is forms[-1] else 1
        if used - wanted or len(wanted - used) > spare:
            return "other placeholders"
    return ""


def several(words: object) -> tuple[str, ...]:
    """Every form of a text that may have one for each kind of number."""
    return tuple(map(str, words)) if isinstance(words, tuple | list) else (str(words or ""),)


def faults(language: str, wanted: Catalog) -> list[str]:
    """One line for each text whose translation is missing, unsure, empty, wrong or left over."""
    catalog = read(language)
    found = [(lacks(m, catalog.get(several(m.id)[0], m.context)), m) for m in wanted if m.id]
    found += [
        ("left over", m)
        for m in catalog
        if m.id and wanted.get(several(m.id)[0], m.context) is None
    ]
    return [f"{lack}: {shown(message)}" for lack, message in found if lack]


def shown(message: Message) -> str:
    where = f" ({message.locations[0][0]}:{message.locations[0][1]})" if message.locations else ""
    return f"{several(message.id)[0]!r}{where}"


def update(language: str, wanted: Catalog) -> None:
    """Take in what is new, drop what nothing asks for any more, keep what is translated."""
    catalog = read(language)
    catalog.update(wanted, no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    write(language, catalog)


def report(chosen: Iterable[str], wanted: Catalog) -> int:
    """Print what each catalog lacks; returns how many texts that are."""
    count = 0
    for language in chosen:
        told = faults(language, wanted)
        count += len(told)
        print(f"{language}: {f'{len(told)} of {len(wanted)} to do' if told else 'complete'}")
        print("".join(f"  {line}\n" for line in told), end="")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.messages", description=__doc__)
    parser.add_argument("languages", nargs="*", help="such as de; all where none is named")
    parser.add_argument("--check", action="store_true", help="change nothing, only say what lacks")
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    chosen = asked.languages or languages()
    wanted = sources()
    if not asked.check:
        for language in chosen:
            update(language, wanted)
    return 1 if report(chosen, wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
