"""The ES modules of a page."""

import posixpath
import re
from functools import cache
from pathlib import Path

from django import template
from django.contrib.staticfiles import finders
from django.core.files.storage import Storage, storages
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

IMPORT = re.compile(r"""^import\s+(?:[^"';]*\bfrom\s*)?["'](\.[^"']+)["']""", re.MULTILINE)

register = template.Library()


@register.simple_tag
def module(entry: str) -> SafeString:
    """An ES module, and all that it imports, named before the browser finds it out.

    Without this a browser learns of an import only when it has read whatever imports it.
    """
    return _named(entry, storages["staticfiles"])


@cache
def _named(entry: str, storage: Storage) -> SafeString:
    preloads = format_html_join(
        "",
        '<link rel="modulepreload" href="{}">',
        ((storage.url(name),) for name in imported_by(entry)),
    )
    return format_html('{}<script type="module" src="{}"></script>', preloads, storage.url(entry))


@cache
def imported_by(entry: str) -> tuple[str, ...]:
    """The modules that an ES module imports, itself or through others; names of static files."""
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        path = finders.find(name)
        if path is None:
            raise ValueError(f"There is no static file {name}.")
        for target in IMPORT.findall(Path(path).read_text(encoding="utf-8")):
            imported = posixpath.normpath(posixpath.join(name, "..", target))
            if imported != entry and imported not in found:
                found[imported] = None
                waiting.append(imported)
    return tuple(found)
