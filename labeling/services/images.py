import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from labeling import artifacts, errors
from labeling.models import Image, Prompt, PromptImage
from labeling.reading import pictures

MOST_IMAGES = 8  # in one message
LONGEST_ALT = 500  # characters


def take_in_images(images: object, folder: Path | None) -> list[dict[str, Any]]:
    """The images of one message, stored, and as the message refers to them.

    Args:
        images: [{"src": a data: address or a relative path, "alt": what it shows}, ...].
        folder: where relative paths begin; none where only the file itself is at hand.

    Raises:
        BadRow: with what is wrong.
    """
    if not isinstance(images, list) or len(images) > MOST_IMAGES:
        raise errors.BadRow(
            _('"images" must be a list of up to %(most)d images.') % {"most": MOST_IMAGES}
        )
    return [_taken_in(image, folder) for image in images]


def _taken_in(image: object, folder: Path | None) -> dict[str, Any]:
    source = image.get("src") if isinstance(image, dict) else None
    alt = image.get("alt") if isinstance(image, dict) else None
    if not isinstance(source, str) or not source:
        raise errors.BadRow(_('Each image needs a "src".'))
    if not isinstance(alt, str) or not alt.strip() or "\x00" in alt:
        raise errors.BadRow(
            _('Each image needs an "alt" that says what it shows, for people who can\'t see it.')
        )
    if len(alt) > LONGEST_ALT:
        raise errors.BadRow(
            _('The "alt" of an image is longer than %(most)d characters.') % {"most": LONGEST_ALT}
        )
    try:
        stored = store_image(_bytes_of(source, folder))
    except pictures.BadPicture as problem:
        raise errors.BadRow(str(problem)) from None
    size = {"width": stored.width, "height": stored.height}
    return {"digest": stored.digest, "alt": alt.strip(), **size}


def _bytes_of(source: str, folder: Path | None) -> bytes:
    if source[:5].lower() == "data:":
        return pictures.from_data_url(source)
    if "://" in source:
        raise errors.BadRow(
            _("Images are never fetched from the network; give a relative path or a data: address.")
        )
    if folder is None:
        raise errors.BadRow(
            _(
                "An uploaded file brings no other files along: give its images as data: addresses, "
                "or import it on the server with manage.py."
            )
        )
    root = folder.resolve()
    path = (root / source).resolve()
    if not path.is_relative_to(root):
        raise errors.BadRow(_("The path of an image leads out of the folder of the file."))
    try:
        with path.open("rb") as file:
            return file.read(pictures.MOST_BYTES + 1)
    except (OSError, ValueError):
        raise errors.BadRow(
            _("The image “%(source)s” can't be read.") % {"source": source[:200]}
        ) from None


def store_image(data: bytes) -> Image:
    """Encode a picture anew and keep it; the same picture is kept once.

    Raises:
        BadPicture.
    """
    picture = pictures.encoded(data)
    digest = hashlib.sha256(picture.data).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.webp"
        path.write_bytes(picture.data)
        url = artifacts.publish(path, f"images/{digest}.webp")
    return Image.objects.get_or_create(
        digest=digest,
        defaults={"artifact_url": url, "width": picture.width, "height": picture.height},
    )[0]


def link_images(prompts: Iterable[Prompt]) -> None:
    """Say which images the prompts show, from what their messages refer to."""
    digests = {prompt.pk: set(_digests(prompt.messages)) for prompt in prompts}
    wanted = set().union(*digests.values()) if digests else set()
    if not wanted:
        return
    images = Image.objects.in_bulk(list(wanted), field_name="digest")
    PromptImage.objects.bulk_create(
        (
            PromptImage(prompt_id=prompt, image=images[digest])
            for prompt, shown in digests.items()
            for digest in sorted(shown)
        ),
        ignore_conflicts=True,
    )


def as_models_read(messages: Sequence[dict[str, Any]]) -> list[Any]:
    """Messages as OpenAI's chat completions take them, images within as data: addresses."""
    return [_with_parts(message) if message.get("images") else message for message in messages]


def _with_parts(message: dict[str, Any]) -> dict[str, Any]:
    stored = Image.objects.in_bulk([i["digest"] for i in message["images"]], field_name="digest")
    parts: list[dict[str, Any]] = []
    for image in message["images"]:
        with artifacts.open_artifact(stored[image["digest"]].artifact_url) as file:
            address = pictures.to_data_url(file.read())
        parts.append({"type": "image_url", "image_url": {"url": address}})
    parts.append({"type": "text", "text": message["content"]})
    return {"role": message["role"], "content": parts}


def _digests(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [image["digest"] for message in messages for image in message.get("images", ())]
