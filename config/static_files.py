"""How static files are named when they are served for good."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):
    """Hashed names that our ES modules import each other by, too.

    Without this a module imports its neighbours by their plain names: after an upgrade a browser
    would go on with the old neighbours it has stored. Django can do it for every script, but then
    trips over scripts of other packages that import what they do not bring along.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )
