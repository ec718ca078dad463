"""A PNG decoded in strips is the same picture, and as safe as any other."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from bot.pictures import png_strips
from bot.pictures.png_strips import can_be_halved, halved
from tests.doubles.photos import chunk, encoded, png_claiming, quarters, scene

pytestmark = pytest.mark.slow


def whole(picture: Image.Image, mode: str) -> Image.Image:
    return picture.convert(mode).reduce(2)


@pytest.fixture(autouse=True, params=[1, 2_000, 1 << 20])
def strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips of two rows, of some rows, and of all."""
    monkeypatch.setattr(png_strips, "_STRIP_PIXELS", request.param)
    monkeypatch.setattr(png_strips, "_PART", 997)


@pytest.mark.parametrize("size", [(96, 64), (97, 65), (1, 1), (2, 301), (300, 3)])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_it_is_the_same_picture_at_half_the_size(size: tuple[int, int], mode: str) -> None:
    picture = scene(size, "RGBA")
    if mode in {"LA", "RGBA"}:
        picture.putalpha(Image.linear_gradient("L").resize(size))
    data = encoded(picture.convert("RGB").convert("P") if mode == "P" else picture.convert(mode), "PNG")
    stream = io.BytesIO(data)
    assert can_be_halved(stream)
    found = halved(stream)
    wanted = {"LA": "RGBA", "P": "RGB"}.get(mode, mode)
    assert (found.mode, found.size) == (wanted, ((size[0] + 1) // 2, (size[1] + 1) // 2))
    opened = Image.open(io.BytesIO(data))
    assert found.tobytes() == whole(opened, wanted).tobytes()


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_transparent_colour(mode: str) -> None:
    picture = quarters((64, 48)).convert(mode)
    corner = picture.getpixel((0, 0))
    data = encoded(picture, "PNG", transparency=corner)
    found = halved(io.BytesIO(data))
    assert found.mode == "RGBA"
    assert [found.getpixel(place)[3] for place in ((4, 4), (28, 20))] == [0, 255]  # type: ignore[index]  # a pixel of RGBA is a tuple


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_rows(kind: int) -> None:
    """Each row is stored as its difference to its neighbours, in one of five ways."""
    rows = b"".join(bytes([kind]) + bytes((7 * row + 3 * at) % 251 for at in range(60)) for row in range(40))
    head = struct.pack(">IIBBBBB", 20, 40, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + body
    difference = ImageChops.difference(halved(io.BytesIO(data)), whole(Image.open(io.BytesIO(data)), "RGB"))
    assert max(ImageStat.Stat(difference).sum) == 0


def interlaced() -> bytes:
    data = bytearray(encoded(scene((16, 16)), "PNG"))
    data[28] = 1
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(scene((16, 16), "1"), "PNG"),
        lambda: encoded(Image.new("I;16", (16, 16)), "PNG"),
        lambda: png_claiming(16, 16, depth=16),
        interlaced,
        lambda: b"\x89PNG\r\n\x1a\n",
    ],
)
def test_other_layouts_of_pixels_cannot_be_halved(make: Callable[[], bytes]) -> None:
    assert not can_be_halved(io.BytesIO(make()))


def test_missing_rows() -> None:
    with pytest.raises(ValueError, match="early"):
        halved(io.BytesIO(png_claiming(4_000, 4_000)))


def test_rows_beyond_the_last_are_not_decompressed() -> None:
    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    bomb = zlib.compress(bytes(1 << 24), 9)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    assert halved(io.BytesIO(data)).tobytes() == b"\0"


_DATA = encoded(scene((24, 16)), "PNG")


@given(st.integers(0, len(_DATA)), st.binary(max_size=6))
def test_damage_is_an_error_or_harmless(at: int, damage: bytes) -> None:
    try:
        halved(io.BytesIO(_DATA[:at] + damage + _DATA[at + len(damage) :]))
    except (ValueError, OSError, SyntaxError, zlib.error, KeyError, struct.error):
        return
