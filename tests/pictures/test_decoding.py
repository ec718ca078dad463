"""Images are decoded as people see them, and within a memory limit."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from bot.jobs.image_files import small
from bot.pictures import decoding
from bot.pictures.decoding import DECODED_AT_MOST, LARGE, Undecodable, decode, in_turn, weight_of
from bot.ui.delivery.attachments import Labelled, prepare, refit
from storage.images import ImageFiles
from storage.pools import Pools
from tests.doubles.views import image

RED, BLUE = (255, 0, 0), (0, 0, 255)
GREY, GREY_ALPHA, COLOURS, COLOURS_ALPHA, PALETTE = 0, 4, 2, 6, 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    path: Path,
    rows: Sequence[bytes],
    size: tuple[int, int],
    *,
    depth: int = 8,
    colour: int = COLOURS,
    more: bytes = b"",
    interlaced: bool = False,
) -> Path:
    """A PNG of these rows of pixels, with ``more`` chunks before them."""
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return path


def claiming(path: Path, side: int, *, depth: int, colour: int) -> Path:
    """A small file that claims to be a large picture."""
    return png(path, [b"\0"], (side, side), depth=depth, colour=colour)


def pixels(picture: Image.Image) -> list[Any]:
    """Pixels from left to right, from top to bottom."""
    return [picture.getpixel((x, y)) for y in range(picture.height) for x in range(picture.width)]


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def swapped_profile() -> bytes:
    """sRGB, but with red and green swapped."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = int.from_bytes(data[128:132])
    table = data[132 : 132 + 12 * count]
    swap = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    entries = [table[at : at + 12] for at in range(0, len(table), 12)]
    renamed = b"".join(swap.get(entry[:4], entry[:4]) + entry[4:] for entry in entries)
    return data[:132] + renamed + data[132 + 12 * count :]


# --- memory -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "depth", "colour"),
    [(6300, 16, COLOURS), (6300, 8, COLOURS), (4096, 16, COLOURS), (4096, 8, COLOURS_ALPHA), (4200, 16, GREY)],
)
def test_an_image_that_claims_too_many_bytes_is_kept_but_not_decoded(
    tmp_path: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch, side: int, depth: int, colour: int
) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it is not even opened"))
    path = claiming(tmp_path / "1.png", side, depth=depth, colour=colour)
    before = path.read_bytes()
    with pytest.raises(Undecodable):
        decode(path)
    with pytest.raises(Undecodable):
        small(path)
    files = ImageFiles(tmp_path, pools)
    uploads = asyncio.run(prepare([Labelled(image(1), "s")], files, file_limit=len(before) - 1))
    assert (uploads.ready, uploads.gone, uploads.unfit) == ((), 0, 1)
    assert path.read_bytes() == before


def test_images_of_the_largest_engines_are_decoded(tmp_path: Path) -> None:
    assert weight_of(claiming(tmp_path / "1.png", 4096, depth=8, colour=COLOURS)) == DECODED_AT_MOST


async def test_large_images_are_decoded_one_at_a_time_with_small_ones_beside_them(pools: Pools) -> None:
    begun, over = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        over.wait()

    first = asyncio.ensure_future(in_turn(pools, LARGE + 1, slow))
    await pools.files.run(begun.wait)
    second = asyncio.ensure_future(in_turn(pools, LARGE + 1, over.is_set))
    assert not await in_turn(pools, LARGE, over.is_set), "a thread is left for a small one"
    assert not second.done()
    over.set()
    await first
    assert await second, "it must not start before the first one has ended"


@pytest.mark.parametrize("kind", ["iCCP", "zTXt", "iTXt", "tEXt", "eXIf", "acTL", "junk"])
def test_ancillary_png_chunks_are_not_decompressed(tmp_path: Path, kind: str) -> None:
    bomb = zlib.compress(bytes(4 * 2**20), 9)
    body = {
        "iCCP": b"profile\0\0" + bomb,
        "zTXt": b"parameters\0\0" + bomb,
        "iTXt": b"parameters\0\1\0\0\0" + bomb,
        "eXIf": b"MM\0*" + struct.pack(">I", 8) + struct.pack(">HHHII", 1, 0x8769, 4, 1, 8),
    }.get(kind, bomb)
    path = png(tmp_path / "1.png", [bytes(RED)], (1, 1), more=chunk(kind.encode(), body))
    assert pixels(decode(path)) == [RED]


def test_pillows_bomb_warning_counts_as_a_refusal_not_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = png(tmp_path / "1.png", [bytes(RED * 2)] * 2, (2, 2))
    for most in (3, 1):  # The first is only a warning by Pillow, which a program may have turned into an error.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.warns(Image.DecompressionBombWarning) if most == 3 else pytest.raises(Undecodable):
            decode(path)


# --- appearance ---------------------------------------------------------------------------------------------------


def test_16_bit_grey_is_scaled_not_truncated(tmp_path: Path) -> None:
    row = struct.pack(">4H", 0, 0x4000, 0x8000, 0xFFFF)
    path = png(tmp_path / "1.png", [row], (4, 1), depth=16, colour=GREY)
    wanted = [(0,) * 3, (64,) * 3, (128,) * 3, (255,) * 3]
    assert pixels(decode(path)) == wanted
    assert pixels(opened(refit(path, 10_000)).convert("RGB")) == wanted
    assert pixels(opened(small(path)).convert("RGB"))[0] != (255, 255, 255)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "transparent", "wanted"),
    [
        (16, GREY, struct.pack(">2H", 0x1234, 0xFFFF), struct.pack(">H", 0x1234), [0, 255]),
        (4, GREY, b"\xf0", struct.pack(">H", 15), [0, 255]),
        (2, GREY, b"\x40", struct.pack(">H", 1), [0, 255]),
        (1, GREY, b"\x80", struct.pack(">H", 1), [0, 255]),
        (8, GREY, b"\x09\x08", struct.pack(">H", 9), [0, 255]),
        (16, COLOURS, struct.pack(">6H", 0x1234, 1, 2, 0xFFFF, 1, 2), struct.pack(">3H", 0x1234, 1, 2), [0, 255]),
        (8, COLOURS, b"\1\2\3\4\5\6", struct.pack(">3H", 1, 2, 3), [0, 255]),
        (8, PALETTE, b"\0\1", b"\0\x80", [0, 128]),
        (16, GREY_ALPHA, struct.pack(">4H", 5, 0, 5, 0xFFFF), b"", [0, 255]),
    ],
)
def test_transparency_is_kept(
    tmp_path: Path, depth: int, colour: int, row: bytes, transparent: bytes, wanted: list[int]
) -> None:
    more = chunk(b"PLTE", bytes(RED + BLUE)) if colour == PALETTE else b""
    more += chunk(b"tRNS", transparent) if transparent else b""
    path = png(tmp_path / "1.png", [row], (2, 1), depth=depth, colour=colour, more=more)
    assert pixels(decode(path).getchannel("A")) == wanted


def test_palette_colours_are_kept(tmp_path: Path) -> None:
    path = png(tmp_path / "1.png", [b"\0\1"], (2, 1), colour=PALETTE, more=chunk(b"PLTE", bytes(RED + BLUE)))
    assert pixels(decode(path)) == [RED, BLUE]
    assert pixels(opened(refit(path, 10_000)).convert("RGB")) == [RED, BLUE]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "1"
    picture = Image.new("RGB", (64, 32), RED)
    picture.paste(BLUE, (0, 0, 32, 32))
    picture.save(path, kind, exif=exif(6), **({"quality": 100} if kind == "JPEG" else {}))
    for seen in (decode(path), opened(small(path)), opened(refit(path, 100_000))):
        assert seen.size == (32, 64), "a quarter turn to the right"
        assert seen.getexif().get(0x0112, 1) == 1
        (top, bottom) = (seen.convert("RGB").getpixel((16, y)) for y in (8, 56))
        assert isinstance(top, tuple)
        assert isinstance(bottom, tuple)
        assert top[2] > 200 > 50 > bottom[2], "the left side is now the top"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    rows = [bytes((10, 0, 0, 20, 0, 0, 30, 0, 0)), bytes((40, 0, 0, 50, 0, 0, 60, 0, 0))]
    path = png(tmp_path / "1.png", rows, (3, 2), more=chunk(b"eXIf", exif(orientation).tobytes()[6:]))
    with Image.open(path) as plain:
        wanted = ImageOps.exif_transpose(plain)
    assert pixels(decode(path)) == pixels(wanted.convert("RGB"))


@pytest.mark.parametrize("block", [b"", b"MM\0*", b"II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"\0" * 40])
def test_an_unreadable_exif_block_is_ignored(tmp_path: Path, block: bytes) -> None:
    path = png(tmp_path / "1.png", [bytes(RED)], (1, 1), more=chunk(b"eXIf", block))
    assert pixels(decode(path)) == [RED]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_colour_profile_is_applied(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "1"
    further = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    Image.new("RGB", (32, 32), RED).save(path, kind, icc_profile=swapped_profile(), **further)
    for seen in (decode(path), opened(small(path)), opened(refit(path, 100_000))):
        red, green, _ = pixels(seen.convert("RGB"))[0]
        assert green > 200 > 100 > red


def test_a_colour_profile_does_not_change_transparency(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 40)).save(tmp_path / "1.png", icc_profile=swapped_profile())
    red, green, _, alpha = pixels(decode(tmp_path / "1.png"))[0]
    assert (green > 200 > 100 > red, alpha) == (True, 40)


@pytest.mark.parametrize("profile", [b"", b"no profile", swapped_profile()[:200], b"\0" * 16 + b"CMYK" + b"\0" * 200])
def test_an_unusable_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    more = chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))
    assert pixels(decode(png(tmp_path / "1.png", [bytes(RED)], (1, 1), more=more))) == [RED]


def test_cmyk_is_converted_to_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "1.jpg", "JPEG", quality=100)
    red, green, blue = pixels(decode(tmp_path / "1.jpg"))[0]
    assert red > 200 > 50 > max(green, blue)


def test_only_the_first_frame_of_an_animation_is_used(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    for kind, further in (("PNG", {}), ("WEBP", {"lossless": True})):
        frames[0].save(tmp_path / "1", kind, save_all=True, append_images=frames[1:], **further)
        assert set(pixels(decode(tmp_path / "1").convert("RGB"))) == {RED}


def test_an_interlaced_image_is_decoded(tmp_path: Path) -> None:
    # An image of 2 × 2 has three of the seven passes: one pixel, the one on its right, and the row below.
    passes = [bytes((1, 0, 0)), bytes((2, 0, 0)), bytes((3, 0, 0, 4, 0, 0))]
    path = png(tmp_path / "1.png", passes, (2, 2), interlaced=True)
    assert pixels(decode(path)) == [(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]


def test_other_formats_are_never_opened(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png", "GIF")
    with pytest.raises(Undecodable):
        decode(tmp_path / "1.png")


def test_the_size_comes_from_the_decoder_not_only_from_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = png(tmp_path / "1.png", [bytes(RED * 2)] * 2, (2, 2))
    monkeypatch.setattr(decoding, "DECODED_AT_MOST", 11)
    monkeypatch.setattr(decoding, "decoded_bytes", lambda _: 3)
    with pytest.raises(Undecodable, match="larger"):
        decode(path)
