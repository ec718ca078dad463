"""What a service finds out about an uploaded picture before it works on it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from fakes.services.uploads import Upload

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP")


class UnusableUpload(ValueError):
    """The file is no picture that the services take."""


def opened(data: bytes) -> Image:
    """The picture, not decoded yet. Raises UnusableUpload."""
    import PIL.Image  # slow to import, and rarely needed

    try:
        return PIL.Image.open(BytesIO(data), formats=FORMATS)
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise UnusableUpload("is not a jpeg, png or webp image") from error


def size_of(upload: Upload) -> tuple[int, int]:
    """Width and height in pixels. Raises UnusableUpload."""
    with opened(upload.data) as image:
        if not _ends(upload.data):
            raise UnusableUpload("is cut short")
        return image.size


def _ends(data: bytes) -> bool:
    """Whether the file has an end; without decoding it, which takes long."""
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return (b"IEND" if data.startswith(b"\x89PNG") else b"\xff\xd9") in data


def is_transparent(data: bytes) -> bool:
    """Whether some pixel is at least partly transparent. Raises UnusableUpload."""
    alpha = _alpha(data)
    return alpha is not None and alpha.histogram()[255] < alpha.width * alpha.height


def white_where_transparent(data: bytes) -> bytes | None:
    """The mask as a grey PNG: white where this one is fully transparent. None if it is nowhere.

    Raises UnusableUpload.
    """
    alpha = _alpha(data)
    if alpha is None or not alpha.histogram()[0]:
        return None
    written = BytesIO()
    alpha.point([255, *[0] * 255]).save(written, "PNG")
    return written.getvalue()


def _alpha(data: bytes) -> Image | None:
    """The transparency of a picture. None if it has none. Raises UnusableUpload."""
    with opened(data) as image:
        if not image.has_transparency_data:
            return None
        try:
            return image.convert("RGBA").getchannel("A")
        except (OSError, SyntaxError, ValueError) as error:
            raise UnusableUpload("is broken") from error
