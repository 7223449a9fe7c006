"""Which Chromium is driven, and how it is started."""

import os
import shutil

# No sandbox: test machines run as root. Nothing but the pages is asked of any network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """The system's Chromium; None lets playwright use one it has downloaded itself."""
    named = os.environ.get("CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")
