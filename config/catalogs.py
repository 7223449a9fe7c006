"""Translations as gettext reads them, compiled from locale/ where they are missing or old.

Every process that reads the settings comes by here, so nobody has to remember a step: a start, a
test and a shell all find the words as they are written. GNU gettext is not needed.
"""

import os
import tempfile
from pathlib import Path

NAME = Path("LC_MESSAGES") / "django.po"


def compiled(sources: Path, target: Path) -> Path:
    """The folder with a compiled catalog for each language that `sources` has one for."""
    for source in sorted(sources.glob(f"*/{NAME}")):
        catalog = target / source.relative_to(sources).with_suffix(".mo")
        written = source.stat().st_mtime_ns
        if not catalog.is_file() or catalog.stat().st_mtime_ns != written:
            compile_catalog(source, catalog, written)
    return target


def compile_catalog(source: Path, catalog: Path, written: int) -> None:
    # Only here: most processes find everything compiled.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with source.open("rb") as file:
        words = read_po(file, abort_invalid=True)
    catalog.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may start at once: each writes a file of its own, the last one stays.
    number, name = tempfile.mkstemp(dir=catalog.parent)
    with os.fdopen(number, "wb") as file:
        write_mo(file, words)
    os.utime(name, ns=(written, written))
    Path(name).chmod(0o644)
    Path(name).replace(catalog)
