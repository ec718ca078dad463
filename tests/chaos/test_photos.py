"""A photo of a run says where it was taken, in each of the ways in which a file can, and no two are the same."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from chaos.photos import LARGE, SIZES, has_place, photo
from fakes.services import Upload

CHANCE = random.Random(1)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def saved(picture: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


def test_a_photo_has_every_kind_of_metadata_that_can_hold_a_place() -> None:
    data = photo(1, CHANCE).data
    with opened(data) as picture:
        picture.load()
        assert picture.size in SIZES
        assert picture.getexif().get_ifd(0x8825)
    assert Upload.of(data).metadata == ("comment", "exif", "xmp")


def test_each_photo_has_other_bytes() -> None:
    assert len({photo(number, random.Random(1)).data for number in range(5)}) == 5


def test_a_large_photo_is_large() -> None:
    with opened(photo(1, CHANCE, large=True).data) as picture:
        assert picture.size == LARGE


@pytest.mark.parametrize(
    ("kind", "kept"), [("JPEG", "exif"), ("JPEG", "xmp"), ("PNG", "exif"), ("WEBP", "exif"), ("WEBP", "xmp")]
)
def test_a_place_is_found_in_what_was_copied(kind: str, kept: str) -> None:
    with opened(photo(1, CHANCE).data) as picture:
        bare = Image.frombytes("RGB", picture.size, picture.tobytes())
        assert not has_place(saved(bare, kind))
        copied: object = picture.getexif() if kept == "exif" else picture.info["xmp"]
        assert has_place(saved(bare, kind, **{kept: copied}))


def test_coordinates_alone_are_a_place() -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 14.0)}
    assert has_place(saved(Image.new("RGB", (64, 64)), "JPEG", exif=exif))


def test_a_file_that_is_no_picture_has_no_place() -> None:
    assert not has_place(b"{}")
    assert not has_place(photo(1, CHANCE).data[:20])
