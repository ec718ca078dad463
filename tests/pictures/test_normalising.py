"""Uploaded files become pictures without metadata, or are refused with a reason. No upload is trusted."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageStat

from bot.pictures import decoding, normalising
from bot.pictures.normalising import (
    PIXELS_AT_MOST,
    UnusablePicture,
    normalise,
    weight_of,
    within,
)
from bot.providers.operations import Size
from storage.pools import Pools
from tests.doubles import photos
from tests.doubles.photos import encoded, exif, photo, quarters, scene
from tests.pictures.uploads import NAME, Made


def near(colour: Any, wanted: tuple[int, ...], off: int = 12) -> bool:
    return all(abs(one - other) <= off for one, other in zip(colour, wanted, strict=True))


# --- metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("WEBP", "RGBA")]
)
def test_no_metadata_is_left(made: Made, kind: str, mode: str) -> None:
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
        assert near(stored.convert("RGB").getpixel(place), wanted, 40), (place, colour)  # type: ignore[arg-type]  # a pixel of RGB is a tuple


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
    assert (stored.getpixel((2, 2)), stored.getpixel((15, 5))[3]) == ((255, 0, 0, 255), 0)  # type: ignore[index]  # a pixel of RGBA is a tuple


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
            assert near(stored.getpixel((32, row)), (grey.getpixel((32, row)),) * 3)  # type: ignore[arg-type]  # a pixel of grey is a number


def test_colours_are_converted_to_srgb(made: Made) -> None:
    """Without its profile, a picture would have other colours."""
    picture = Image.new("RGB", (32, 32), (200, 30, 30))
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = data.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    _, stored, _ = made(encoded(picture, "JPEG", quality=98, icc_profile=swapped))
    red, green, _ = stored.getpixel((9, 9))  # type: ignore[misc]  # a pixel of RGB is a tuple
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


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *((kind, mode) for kind in ("PNG", "WEBP", "GIF") for mode in ("L", "P", "RGB", "RGBA")),
    ],
)
def test_a_reduced_picture_looks_the_same(made: Made, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str) -> None:
    monkeypatch.setattr(normalising, "PIXELS_AT_MOST", 100_000)
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


@pytest.mark.slow
def test_a_very_large_jpeg_is_decoded_at_half_its_size(made: Made, tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (7000, 5000), (90, 120, 200)), "JPEG")
    found, _, _ = made(data)
    assert found.size == Size(3500, 2500)
    assert weight_of(tmp_path / NAME) == 4 * found.size.pixels


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
