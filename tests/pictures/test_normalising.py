"""Uploaded files become pictures without metadata, or are refused with a reason. No upload is trusted."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageStat

from bot.errors import UserError
from bot.pictures import decoding, normalising
from bot.pictures.normalising import (
    BROKEN,
    CUT_SHORT,
    EMPTY,
    HEIC,
    NO_PICTURE,
    OTHER_KIND,
    PIXELS_AT_MOST,
    TOO_MANY_PIXELS,
    Normalised,
    UnusablePicture,
    normalise,
    normalised,
    weight_of,
    within,
)
from bot.providers.operations import Size
from bot.text import Message, Text
from storage.pools import Pools
from tests.doubles import photos
from tests.doubles.photos import encoded, exif, photo, quarters, scene
from tests.doubles.texts import codes

Made = Callable[[bytes], tuple[Normalised, Image.Image, bytes]]
NAME = "an upload without an extension"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Normalise the bytes of a file: what was returned, the picture that was written, and its bytes."""

    def make(data: bytes) -> tuple[Normalised, Image.Image, bytes]:
        file, aside = tmp_path / NAME, tmp_path / "aside"
        file.write_bytes(data)
        found = normalised(file, aside)
        written = aside.read_bytes()
        picture = Image.open(io.BytesIO(written))
        picture.load()
        assert file.read_bytes() == data
        assert found.bytes == len(written)
        assert found.size == Size(*picture.size)
        assert found.media_type == {"JPEG": "image/jpeg", "PNG": "image/png"}[str(picture.format)]
        return found, picture, written

    return make


def problem(data: bytes, folder: Path) -> Text:
    """Why the file is refused."""
    file, aside = folder / NAME, folder / "aside"
    file.write_bytes(data)
    with pytest.raises(UnusablePicture) as caught:
        normalised(file, aside)
    assert isinstance(caught.value, UserError)
    assert len(codes(caught.value)) == 1
    return caught.value.problems[0]


def near(colour: Any, wanted: tuple[int, ...], off: int = 12) -> bool:
    return all(abs(one - other) <= off for one, other in zip(colour, wanted, strict=True))


# --- metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_no_metadata_is_left(made: Made, kind: str, mode: str) -> None:
    if (kind, mode) == ("JPEG", "RGBA"):
        pytest.skip("a JPEG has no transparency")
    picture = scene((96, 64), mode)
    if mode == "RGBA":
        picture.putpixel((0, 0), (1, 2, 3, 4))
    data = photo(kind, picture)
    assert photos.PLACE in data, "there is something to remove"
    _, stored, written = made(data)
    assert not [trace for trace in photos.METADATA if trace in written]
    assert not stored.getexif()
    assert set(stored.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_thumbnail_and_the_video_of_a_phones_photo_are_removed(made: Made) -> None:
    thumbnail = encoded(scene((16, 12)), "JPEG", comment=photos.PLACE)
    data = photo("JPEG") + thumbnail + random.Random(2).randbytes(300_000) + photos.PLACE
    found, _, written = made(data)
    assert found.media_type == "image/jpeg"
    assert photos.PLACE not in written
    assert len(written) < 100_000


def test_a_photo_of_several_pictures_is_its_first(made: Made) -> None:
    second = Image.new("RGB", (64, 48), "black")
    data = encoded(quarters(), "MPO", save_all=True, append_images=[second], quality=95)
    _, stored, _ = made(data)
    assert near(stored.getpixel((8, 8)), (255, 0, 0), 20)
    assert stored.format == "JPEG"


def test_the_comment_of_a_gif_is_removed(made: Made) -> None:
    data = encoded(quarters(), "GIF", comment=photos.PLACE)
    assert photos.PLACE in data
    assert photos.PLACE not in made(data)[2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_picture_is_upright(made: Made, kind: str, orientation: int) -> None:
    """A camera stores the pixels as its sensor has them."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns.get(orientation)
    on_the_sensor = quarters() if turn is None else quarters().transpose(turn)
    _, stored, _ = made(encoded(on_the_sensor, kind, exif=exif(orientation), quality=95))
    assert stored.size == (64, 48)
    for place, colour in {(8, 8): "red", (56, 8): "lime", (8, 40): "blue", (56, 40): "white"}.items():
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert near(stored.convert("RGB").getpixel(place), wanted, 40), (place, colour)  # type: ignore[arg-type]  # an RGB pixel


# --- types and pixels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "media_type"),
    [
        ("JPEG", {}, "image/jpeg"),
        ("JPEG", {"progressive": True}, "image/jpeg"),
        ("WEBP", {}, "image/jpeg"),
        ("WEBP", {"lossless": True}, "image/png"),
        ("PNG", {}, "image/png"),
        ("GIF", {}, "image/png"),
    ],
)
def test_what_had_losses_becomes_jpeg_and_everything_else_png(
    made: Made, kind: str, options: dict[str, Any], media_type: str
) -> None:
    found, _, _ = made(encoded(scene((90, 60)), kind, **options))
    assert (found.media_type, found.size, found.transparent) == (media_type, Size(90, 60), False)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_is_kept_if_there_is_any(made: Made, kind: str) -> None:
    picture = quarters().convert("RGBA")
    found, stored, _ = made(encoded(picture, kind, lossless=True))
    assert (found.transparent, stored.mode) == (False, "RGB")
    picture.putpixel((3, 4), (0, 0, 0, 254))
    found, stored, _ = made(encoded(picture, kind, lossless=True))
    assert (found.transparent, stored.mode, found.media_type) == (True, "RGBA", "image/png")
    assert [stored.getpixel(place)[3] for place in ((3, 4), (4, 4))] == [254, 255]  # type: ignore[index]  # an RGBA pixel


def test_a_lossy_webp_with_transparency_keeps_it(made: Made) -> None:
    picture = Image.new("RGBA", (32, 32), (255, 0, 0, 128))
    found, stored, _ = made(encoded(picture, "WEBP", quality=80))
    assert (found.media_type, found.transparent) == ("image/png", True)
    assert stored.getpixel((9, 9))[3] == 128  # type: ignore[index]  # an RGBA pixel


def test_a_transparent_gif(made: Made) -> None:
    picture = Image.new("P", (20, 10), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (10, 0, 20, 10))
    found, stored, _ = made(encoded(picture, "GIF", transparency=1))
    assert (found.media_type, found.transparent) == ("image/png", True)
    assert (stored.getpixel((2, 2)), stored.getpixel((15, 5))[3]) == ((255, 0, 0, 255), 0)  # type: ignore[index]  # RGBA


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_the_first_frame_of_an_animation(made: Made, kind: str) -> None:
    frames = [quarters(), Image.new("RGB", (64, 48), "black")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    _, stored, _ = made(data)
    assert near(stored.convert("RGB").getpixel((8, 8)), (255, 0, 0), 30)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "RGB", "RGBA"])
def test_every_mode_of_pixels(made: Made, mode: str) -> None:
    grey = Image.linear_gradient("L").resize((64, 64))
    picture = grey.convert(mode)
    if mode == "I;16":
        picture = Image.frombytes("I;16", (64, 64), b"".join(struct.pack("<H", each * 257) for each in grey.tobytes()))
    _, stored, _ = made(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert stored.mode == "RGB"
    if mode != "1":
        for row in (2, 32, 61):
            assert near(stored.getpixel((32, row)), (grey.getpixel((32, row)),) * 3)  # type: ignore[arg-type]  # grey


def test_colours_are_converted_to_srgb(made: Made) -> None:
    """Without its profile, a picture would have other colours."""
    picture = Image.new("RGB", (32, 32), (200, 30, 30))
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = data.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    _, stored, _ = made(encoded(picture, "JPEG", quality=98, icc_profile=swapped))
    red, green, _ = stored.getpixel((9, 9))  # type: ignore[misc]  # an RGB pixel
    assert green > 150 > 100 > red


# --- bounds -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_a_picture_is_reduced_to_the_most_pixels_in_its_ratio(width: int, height: int) -> None:
    size = Size(width, height)
    found = within(size, PIXELS_AT_MOST)
    assert 1 <= found.pixels <= PIXELS_AT_MOST
    if size.pixels <= PIXELS_AT_MOST:
        assert found == size
    elif min(found.width, found.height) > 500:
        assert abs(found.width / found.height / (width / height) - 1) < 0.004
        assert found.pixels > PIXELS_AT_MOST * 0.99


@pytest.mark.slow
def test_a_photo_of_twelve_megapixels(made: Made) -> None:
    found, stored, _ = made(photo("JPEG", Image.new("RGB", (4032, 3024), (90, 120, 200)), orientation=6))
    assert PIXELS_AT_MOST * 0.99 < found.size.pixels <= PIXELS_AT_MOST
    assert abs(found.size.width / found.size.height - 3 / 4) < 0.001
    assert near(stored.getpixel((100, 100)), (90, 120, 200), 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_a_reduced_picture_looks_the_same(made: Made, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str) -> None:
    monkeypatch.setattr(normalising, "PIXELS_AT_MOST", 100_000)
    if (kind == "JPEG" and mode in {"P", "RGBA"}) or (kind != "JPEG" and mode == "CMYK"):
        pytest.skip("this format has no such pixels")
    picture = quarters((700, 800)).convert(mode)
    found, stored, _ = made(encoded(picture, kind, quality=95))
    assert found.size == Size(295, 338)
    wanted = made(encoded(picture.resize((295, 338), Image.Resampling.NEAREST), kind, quality=95))[1].convert("RGB")
    difference = ImageChops.difference(stored.convert("RGB"), wanted)
    assert max(ImageStat.Stat(difference).mean) < 4


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_a_very_large_png_is_decoded_in_strips(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    monkeypatch.setattr(normalising, "_WHOLE", 10_000)
    found, stored, written = made(photo("PNG", quarters((400, 300)).convert(mode), orientation=3))
    assert (found.size, found.media_type) == (Size(200, 150), "image/png")
    assert weight_of(tmp_path / NAME) == 4 * found.size.pixels
    wanted = quarters((200, 150)).transpose(Image.Transpose.ROTATE_180).convert(mode).convert("RGB")
    assert max(ImageStat.Stat(ImageChops.difference(stored.convert("RGB"), wanted)).mean) < 3
    assert not [trace for trace in photos.METADATA if trace in written]


@pytest.mark.parametrize(
    "data", [photos.png_claiming(5_000, 4_000, depth=16), photos.png_claiming(5_000, 4_000, depth=1)]
)
def test_a_very_large_png_that_cannot_be_decoded_in_strips(data: bytes, tmp_path: Path) -> None:
    assert problem(data, tmp_path) == TOO_MANY_PIXELS(width=5_000, height=4_000, most=16)


@pytest.mark.slow
def test_a_very_large_jpeg_is_decoded_at_half_its_size(made: Made, tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (7000, 5000), (90, 120, 200)), "JPEG")
    found, _, _ = made(data)
    assert found.size == Size(3500, 2500)
    assert weight_of(tmp_path / NAME) == 4 * found.size.pixels


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


def test_the_decoders_size_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = normalising.inspect_upload
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


# --- in turn ------------------------------------------------------------------------------------------------------


async def test_large_pictures_are_normalised_one_at_a_time(
    tmp_path: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = []

    def look(file: Path, aside: Path) -> None:
        locked.append(pools.large.locked())

    monkeypatch.setattr(normalising, "normalised", look)
    small, large = tmp_path / "small", tmp_path / "large"
    await pools.files.run(small.write_bytes, encoded(scene((64, 64)), "PNG"))
    await pools.files.run(large.write_bytes, photos.png_claiming(4_000, 3_000))
    await normalise(pools, small, tmp_path / "aside")
    await normalise(pools, large, tmp_path / "aside")
    assert locked == [False, True]


async def test_what_is_no_picture_never_reaches_the_threads_for_images(
    tmp_path: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "in_turn", lambda *_, **__: pytest.fail("it is not decoded"))
    file = tmp_path / "1.png"
    await pools.files.run(file.write_bytes, b"no picture")
    with pytest.raises(UnusablePicture):
        await normalise(pools, file, tmp_path / "aside")
