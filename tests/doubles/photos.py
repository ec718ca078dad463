"""Pictures as people upload them: photos with metadata, and files that are not what they seem."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms

PLACE = b"SECRETPLACE"
"""Is in every kind of metadata of ``photo``."""
METADATA = (PLACE, b"Exif", b"eXIf", b"EXIF", b"ns.adobe.com", b"XML:com.adobe.xmp", b"XMP ", b"ICC_PROFILE", b"iCCP")
"""What no file of ours may contain: traces of metadata."""
_GPS_IFD, _EXIF_IFD, _ORIENTATION = 0x8825, 0x8769, 0x0112


def scene(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A picture that is different everywhere: colours that run across it, and some noise."""
    red = Image.linear_gradient("L").resize(size)
    green = red.transpose(Image.Transpose.ROTATE_90).resize(size)
    small = (max(1, size[0] // 8), max(1, size[1] // 8))
    noise = Image.frombytes("L", small, random.Random(1).randbytes(small[0] * small[1])).resize(size)
    return Image.merge("RGB", (red, green, noise)).convert(mode)


def quarters(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture with a colour in each quarter: red, green; blue, white."""
    picture = Image.new("RGB", size, "white")
    across, down = size[0] // 2, size[1] // 2
    picture.paste("red", (0, 0, across, down))
    picture.paste("lime", (across, 0, size[0], down))
    picture.paste("blue", (0, down, across, size[1]))
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    """An Exif block with a position, a name and an orientation."""
    block = Image.Exif()
    block[_ORIENTATION] = orientation
    block[0x010E] = PLACE.decode()
    block.get_ifd(_GPS_IFD).update({1: "N", 2: (52.0, 31.0, 12.25), 3: "E", 4: (13.0, 24.0, 36.5), 27: PLACE})
    block.get_ifd(_EXIF_IFD)[0x9286] = b"ASCII\0\0\0" + PLACE
    return block


def photo(kind: str, picture: Image.Image | None = None, *, orientation: int = 1, **options: Any) -> bytes:
    """A photo with every kind of metadata that its format has, including the place where it was taken."""
    made = picture if picture is not None else scene((96, 64))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    further: dict[str, Any] = {"exif": exif(orientation), "icc_profile": profile, **options}
    if kind in {"JPEG", "WEBP", "PNG"}:
        further["xmp"] = b"<x:xmpmeta>" + PLACE + b"</x:xmpmeta>"
    if kind == "JPEG":
        further["comment"] = PLACE
    data = encoded(made, kind, **further)
    if kind == "PNG":
        texts = chunk(b"tEXt", b"Comment\0" + PLACE) + chunk(b"zTXt", b"Place\0\0" + zlib.compress(PLACE))
        texts += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PLACE)
        data = data[:33] + texts + data[33:]
    return data


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A small PNG that claims to have this size."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels


def gif_claiming(width: int, height: int) -> bytes:
    """A small GIF that claims to have this size."""
    data = bytearray(encoded(scene((8, 8)).convert("P"), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def webp_claiming(width: int, height: int) -> bytes:
    """A small WebP that claims to have this size."""
    data = bytearray(encoded(scene((8, 8), "RGBA"), "WEBP", lossless=True, exif=exif()))
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG in which one scan is repeated."""
    data = encoded(scene((64, 64)), "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff", start + 2)
    while data[end + 1] == 0:
        end = data.index(b"\xff", end + 2)
    return data[:end] + data[start:end] * count + data[end:]
