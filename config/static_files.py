"""How static files are named and put together when they are served for good."""

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

IMPORT = re.compile(r'^@import "([^"]+)";$', re.MULTILINE)


class PageStorage(CompressedManifestStaticFilesStorage):
    """Hashed names that our ES modules import each other by, too, and style sheets in one piece.

    Without the names a module imports its neighbours by their plain ones: after an upgrade a
    browser would go on with the old neighbours it has stored. Django can do it for every script,
    but then trips over scripts of other packages that import what they do not bring along.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )

    def post_process(
        self, paths: dict[str, tuple[Storage, str]], *args: Any, **options: Any
    ) -> Iterator[Any]:
        whole = {
            name: (WholeSheets(storage), path) if name.endswith(".css") else (storage, path)
            for name, (storage, path) in paths.items()
        }
        return super().post_process(whole, *args, **options)


class WholeSheets:
    """Style sheets with those they import in their place: a browser asks for one, not for ten."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def open(self, path: str) -> ContentFile:
        return ContentFile(self.text(path).encode())

    def text(self, path: str) -> str:
        with self.storage.open(path) as file:
            text = file.read().decode()
        return IMPORT.sub(
            lambda found: self.text(posixpath.join(posixpath.dirname(path), found[1])), text
        )
