"""Pictures by strangers, decoded and encoded anew: what is stored is pixels and nothing else.

No database. A file that claims to be a picture may hold scripts, places, names or a bomb. Only a
few formats are decoded, only up to a number of pixels, and what comes out was written by our
encoder.
"""

import base64
import binascii
import io
import re
import warnings
from dataclasses import dataclass

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_BYTES = 8_000_000  # of the file as it comes
MOST_PIXELS = 40_000_000  # decoded; about 160 MB of memory
LONGEST_SIDE = 2048  # pixels; larger ones are made smaller
QUALITY = 90
MEDIA_TYPE = "image/webp"

_DATA_URL = re.compile(r"data:image/[a-z+.-]+;base64,", re.IGNORECASE)


class BadPicture(ValueError):
    """Not a picture that can be shown; the message is a sentence for whoever sent it."""


@dataclass(frozen=True)
class Picture:
    """WebP bytes and their size in pixels."""

    data: bytes
    width: int
    height: int


def encoded(data: bytes) -> Picture:
    """The first frame of a picture, upright, without metadata, no larger than is shown.

    Raises:
        BadPicture: too large, or not a picture in one of the formats.
    """
    if len(data) > MOST_BYTES:
        raise BadPicture(
            _("The image is larger than %(most)d MB.") % {"most": MOST_BYTES // 1_000_000}
        )
    try:
        picture = _decoded(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(
            _("The image has more than %(most)s pixels.") % {"most": intcomma(MOST_PIXELS)}
        ) from None
    except Exception:  # whatever decoders make of what a stranger sent
        raise BadPicture(
            _("The image can't be read; it must be a whole PNG, JPEG, WebP or GIF.")
        ) from None
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=QUALITY)
    return Picture(written.getvalue(), picture.width, picture.height)


def _decoded(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            picture = ImageOps.exif_transpose(opened)
            return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def from_data_url(address: str) -> bytes:
    """The bytes in an address such as `data:image/png;base64,...`.

    Raises:
        BadPicture: it is none, or damaged.
    """
    head = _DATA_URL.match(address)
    if head is None:
        raise BadPicture(_("The data: address must be data:image/...;base64,..."))
    try:
        return base64.b64decode(address[head.end() :], validate=True)
    except binascii.Error:
        raise BadPicture(_("The data: address of an image is damaged.")) from None


def to_data_url(data: bytes) -> str:
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(data).decode()}"
