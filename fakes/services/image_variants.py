"""Broken, oversized and differently encoded images, served instead of a good PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

Alteration = Callable[[bytes], bytes]

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="1024" height="1024">'
    b"<script>alert(1)</script></svg>"
)


def truncated(data: bytes) -> bytes:
    """The first half of the file."""
    return data[: len(data) // 2]


def cut_at_the_end(data: bytes) -> bytes:
    """The file without its last bytes: a PNG whose end marker is missing."""
    return data[:-8]


def html(data: bytes) -> bytes:
    """An error page."""
    return HTML


def svg(data: bytes) -> bytes:
    """An SVG drawing that contains a script."""
    return SVG


def noise(data: bytes) -> bytes:
    """As many random bytes, which are no image."""
    return b"\x00\x11\x22\x33" * (len(data) // 4)


def empty(data: bytes) -> bytes:
    return b""


def bomb(data: bytes) -> bytes:
    """A PNG of a few kilobytes that claims 60000x60000 pixels and would need gigabytes to decode."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1_000_000), 9)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in chunks:
        parts.append(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return b"".join(parts)


def padded(length: int) -> Alteration:
    """The image with this many bytes after its end."""
    return lambda data: data + bytes(length)


def jpeg(data: bytes) -> bytes:
    return _saved(data, "JPEG")


def webp(data: bytes) -> bytes:
    return _saved(data, "WEBP")


def gif(data: bytes) -> bytes:
    return _saved(data, "GIF")


def blurred(data: bytes) -> bytes:
    """The image as a content filter blurs it."""
    from PIL import Image, ImageFilter  # slow to import, and rarely needed

    with Image.open(BytesIO(data)) as picture:
        soft = picture.convert("RGB").filter(ImageFilter.GaussianBlur(max(picture.size) / 24))
    out = BytesIO()
    soft.save(out, "PNG")
    return out.getvalue()


def unfinished(data: bytes) -> bytes:
    """The image without its details, as a service shows it while it is being made."""
    from PIL import Image  # slow to import, and rarely needed

    with Image.open(BytesIO(data)) as picture:
        rough = picture.convert("RGB").reduce(32).resize(picture.size, Image.Resampling.NEAREST)
    out = BytesIO()
    rough.save(out, "PNG", compress_level=1)
    return out.getvalue()


def resized(width: int, height: int) -> Alteration:
    """The image in a different size than requested."""

    return lambda data: _resized(data, lambda *_: (width, height))


def _resized(data: bytes, size: Callable[[int, int], tuple[int, int]]) -> bytes:
    from PIL import Image  # slow to import, and rarely needed

    with Image.open(BytesIO(data)) as picture:
        other = picture.convert("RGB").resize(size(*picture.size))
    out = BytesIO()
    other.save(out, "PNG")
    return out.getvalue()


def halved(data: bytes) -> bytes:
    """The image at half the width and height."""
    return _resized(data, lambda width, height: (max(1, width // 2), max(1, height // 2)))


def squared(data: bytes) -> bytes:
    """The image squeezed into a square: another ratio than requested, unless a square was."""
    return _resized(data, lambda width, height: (min(width, height), min(width, height)))


def _saved(data: bytes, kind: str) -> bytes:
    from PIL import Image  # slow to import, and rarely needed

    with Image.open(BytesIO(data)) as picture:
        whole = picture.convert("RGB")
    out = BytesIO()
    whole.save(out, kind)
    return out.getvalue()
