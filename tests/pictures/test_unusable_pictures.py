"""Files that are no usable pictures are refused with a reason, whatever they were made to do."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.pictures import normalising
from bot.pictures.normalising import (
    BROKEN,
    CUT_SHORT,
    EMPTY,
    HEIC,
    NO_PICTURE,
    OTHER_KIND,
    PIXELS_AT_MOST,
    RATIO_AT_MOST,
    TOO_MANY_PIXELS,
    TOO_NARROW,
    UnusablePicture,
    normalised,
    weight_of,
)
from bot.providers import image_headers
from bot.providers.operations import Size
from bot.text import Message
from tests.doubles import photos
from tests.doubles.photos import encoded, photo, scene
from tests.pictures.uploads import Made, problem

pytestmark = pytest.mark.slow

# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [photos.png_claiming(5_000, 4_000, depth=16), photos.png_claiming(5_000, 4_000, depth=1)]
)
def test_a_very_large_png_that_cannot_be_decoded_in_strips(data: bytes, tmp_path: Path) -> None:
    assert problem(data, tmp_path) == TOO_MANY_PIXELS(width=5_000, height=4_000, most=16)


@pytest.mark.parametrize(
    "data",
    [
        photos.png_claiming(30_000, 30_000),
        photos.png_claiming(2**31 - 1, 2**31 - 1),
        photos.png_claiming(40_000_001, 1, depth=16),
        photos.gif_claiming(65_535, 65_535),
        photos.webp_claiming(16_000, 16_000),
    ],
    ids=["png", "largest png", "long png", "gif", "webp"],
)
def test_a_bomb_is_refused_by_its_header(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it is not even opened"))
    found = problem(data, tmp_path)
    assert found.code == TOO_MANY_PIXELS.code
    assert found.values["most"] == 40


@pytest.mark.parametrize("data", [photos.gif_claiming(4_000, 4_000), photos.webp_claiming(4_000, 4_000)])
def test_what_takes_more_memory_may_have_fewer_pixels(data: bytes, tmp_path: Path) -> None:
    assert problem(data, tmp_path) == TOO_MANY_PIXELS(width=4_000, height=4_000, most=12)


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(6_400, 64, True), (64, 6_400, True), (6_401, 64, False), (1, 9_000_000, False)]
)
def test_a_line_is_no_picture(width: int, height: int, fits: bool, tmp_path: Path) -> None:
    """Services need some pixels on each side, so a thin line would be enlarged to billions of pixels."""
    found = problem(photos.png_claiming(width, height), tmp_path)
    wrong = BROKEN() if fits else TOO_NARROW(width=width, height=height, most=RATIO_AT_MOST)
    assert str(found) == str(wrong)


@pytest.mark.parametrize(("progressive", "width", "most"), [(True, 5_000, 25), (False, 7_000, 40)])
def test_a_jpeg_in_several_scans_may_have_fewer_pixels(
    tmp_path: Path, progressive: bool, width: int, most: int
) -> None:
    """The decoder stores all of its coefficients."""
    data = bytearray(encoded(scene((64, 64)), "JPEG", progressive=progressive))
    size = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[size : size + 4] = struct.pack(">HH", 6_000, width)
    assert problem(bytes(data), tmp_path) == TOO_MANY_PIXELS(width=width, height=6_000, most=most)


def test_the_decoders_size_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = image_headers.inspect_upload
    monkeypatch.setattr(normalising, "inspect_upload", lambda stream: replace(seen(stream), size=Size(2, 2)))
    monkeypatch.setattr(normalising, "MOST_PIXELS", 100)
    assert problem(encoded(scene((20, 20)), "PNG"), tmp_path).code == BROKEN.code


def test_a_jpeg_of_endless_scans_is_refused(tmp_path: Path, made: Made) -> None:
    assert made(photos.jpeg_of_scans(20))[0].size == Size(64, 64)
    assert problem(photos.jpeg_of_scans(2_000), tmp_path).code == BROKEN.code


# --- refusals -----------------------------------------------------------------------------------------------------


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("picture.png", b"x" * 100)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", normalising.SVG),
        (b"<!doctype html><title>x</title>", normalising.TEXT),
        (b"Dear all, BM is a file type.", normalising.TEXT),
        (b"%PDF-1.7\n%\xe2\xe3", normalising.PDF),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41", normalising.VIDEO),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", normalising.VIDEO),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1", normalising.VIDEO),
        (b"RIFF\x10\0\0\0AVI LIST", normalising.VIDEO),
        (b"RIFF\x10\0\0\0WAVEfmt ", normalising.SOUND),
        (b"ID3\4\0\0\0\0\0\x23", normalising.SOUND),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", normalising.AVIF),
        (_archive(), normalising.ARCHIVE),
        (encoded(scene((8, 8)), "BMP"), normalising.BMP),
        (encoded(scene((8, 8)), "TIFF"), normalising.TIFF),
        (encoded(scene((8, 8)), "JPEG2000"), normalising.JPEG_2000),
        (b"\xff\x0a\xfa\x1f\0\0", normalising.JPEG_XL),
        (b"8BPS\0\1\0\0\0\0\0\0", normalising.PHOTOSHOP),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, data: bytes, kind: Message) -> None:
    assert problem(data, tmp_path) == OTHER_KIND(kind=kind)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", EMPTY),
        (b"\x89PNG\r\n\x1a", CUT_SHORT),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", HEIC),
        (b"\x00\x11\x22\x33" * 40, NO_PICTURE),
        (b"MZ\x90\x00" + bytes(60), NO_PICTURE),
        (b"RIFF\x10\0\0\0JUNKJUNK\0", NO_PICTURE),
        (b"GIF89a\x08\0\x08\0\0\0\0\x3b", BROKEN),
        (encoded(scene((64, 64)), "PNG")[:-200], CUT_SHORT),
        (encoded(scene((64, 64)), "GIF")[:-200], CUT_SHORT),
        (encoded(scene((64, 64)), "WEBP")[:-200], CUT_SHORT),
        (encoded(scene((64, 64)), "JPEG")[:300], CUT_SHORT),
        (encoded(scene((256, 256)), "JPEG")[:-2_000], BROKEN),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, code: Message) -> None:
    assert problem(data, tmp_path).code == code.code


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    data = bytearray(encoded(scene((64, 64)), "PNG"))
    data[60] ^= 0xFF
    assert problem(bytes(data), tmp_path).code == BROKEN.code


def test_a_file_that_is_also_an_archive_becomes_only_a_picture(made: Made) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        written = made(encoded(scene((32, 32)), kind) + _archive())[2]
        assert b"PK" not in written[-300:]
        assert not zipfile.is_zipfile(io.BytesIO(written))


def test_a_decoder_that_fails_in_an_unexpected_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("something in Pillow")

    monkeypatch.setattr(Image, "open", fail)
    assert problem(encoded(scene((8, 8)), "PNG"), tmp_path).code == BROKEN.code


def test_a_missing_file_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    for work in (lambda: normalised(tmp_path / "none", tmp_path / "aside"), lambda: weight_of(tmp_path / "none")):
        with pytest.raises(OSError, match="none"):
            work()


_WHOLE = {
    "png": encoded(scene((24, 16)), "PNG"),
    "palette": encoded(scene((24, 16)).convert("P"), "PNG"),
    "jpeg": photo("JPEG", scene((24, 16))),
    "progressive": encoded(scene((24, 16)), "JPEG", progressive=True),
    "webp": photo("WEBP", scene((24, 16))),
    "lossless": encoded(scene((24, 16), "RGBA"), "WEBP", lossless=True),
    "gif": encoded(scene((24, 16)), "GIF", save_all=True, append_images=[scene((24, 16)).rotate(90)]),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(_WHOLE)), at=st.integers(0, 4_000), damage=st.binary(max_size=6), cut=st.booleans())
def test_damage_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, damage: bytes, cut: bool
) -> None:
    """A file is refused with a reason, or a picture without metadata comes out: there is no third way."""
    folder = tmp_path_factory.getbasetemp()
    data = _WHOLE[kind]
    at %= len(data)
    file, aside = folder / "damaged", folder / "damaged aside"
    file.write_bytes(data[:at] + damage + (b"" if cut else data[at + len(damage) :]))
    try:
        found = normalised(file, aside)
    except UnusablePicture:
        return
    assert found.size.pixels <= PIXELS_AT_MOST
    assert photos.PLACE not in aside.read_bytes()
