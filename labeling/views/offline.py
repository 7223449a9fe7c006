"""The service worker, which keeps the labeling page for when the server is away."""

import hashlib
from functools import cache

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe


@cache_control(no_cache=True)
@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """A script in whose address's folder pages are kept: everything under /label/."""
    context = {"version": static_version(), "static_url": settings.STATIC_URL}
    return render(request, "labeling/worker.js", context, content_type="text/javascript")


@cache_control(no_cache=True)
@require_safe
def away(request: HttpRequest) -> HttpResponse:
    """What the worker shows in the place of a page that the server did not send; about nobody."""
    return render(request, "labeling/away.html")


@cache
def static_version() -> str:
    """Changes with any static file; where files are served as they are written, it never does."""
    names = getattr(staticfiles_storage, "hashed_files", {})
    return hashlib.sha256(repr(sorted(names.items())).encode()).hexdigest()[:12]
