"""Images in prompts, from our own address and only to whoever may see the prompt."""

from django.contrib.auth.decorators import login_required
from django.http import FileResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from labeling.access import image_for
from labeling.artifacts import open_artifact
from labeling.reading.pictures import MEDIA_TYPE
from labeling.requests import SignedIn

YEAR = 365 * 24 * 3600  # seconds; what has this name never changes


@cache_control(private=True, max_age=YEAR, immutable=True)
@login_required
@require_safe
def image(request: SignedIn, digest: str) -> FileResponse:
    """The picture with this digest."""
    file = open_artifact(image_for(request.user, digest).artifact_url).open()
    answer = FileResponse(file, content_type=MEDIA_TYPE)
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer
