"""A stored picture becomes what an operation requires, and nothing of it is lost unless a person said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.domain.edits import same_shape
from bot.pictures.decoding import Undecodable
from bot.pictures.fitting import Placement, TooManyBytes, fitted, placed_on
from bot.providers.operations import Fit, PictureFile, PictureRules, Size
from tests.doubles import photos
from tests.doubles.photos import encoded, photo, quarters, scene

ALL = PictureRules().formats
RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

sizes = st.builds(Size, st.integers(1, 9_000), st.integers(1, 9_000))


class Fitting:
    """Fits the bytes of a stored picture, and opens what was written."""

    def __init__(self, folder: Path) -> None:
        self.stored, self.aside = folder / "stored", folder / "aside"

    def __call__(
        self,
        data: bytes,
        *,
        size: Size | None = None,
        fit: Fit | None = None,
        formats: tuple[str, ...] = ALL,
        transparent: bool = False,
        largest: int = 8 << 20,
    ) -> tuple[PictureFile, Image.Image]:
        self.stored.write_bytes(data)
        if size is None:
            with Image.open(self.stored) as stored:
                size = Size(*stored.size)
        found = fitted(
            self.stored, self.aside, size=size, fit=fit, formats=formats, transparent=transparent, largest=largest
        )
        assert found.size == size
        with Image.open(self.aside) as picture:
            picture.load()
        kind = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}[found.media_type]
        assert (found.path, found.size, picture.format) == (self.aside, Size(*picture.size), kind)
        assert found.bytes == self.aside.stat().st_size <= largest
        return found, picture


@pytest.fixture
def fitting(tmp_path: Path) -> Fitting:
    return Fitting(tmp_path)


def near(colour: Any, wanted: tuple[int, ...], off: int = 30) -> bool:
    return all(abs(one - other) <= off for one, other in zip(colour, wanted, strict=True))


# --- sizes --------------------------------------------------------------------------------------------------------


@given(sizes, sizes, st.sampled_from([None, Fit.CROP, Fit.PAD]))
def test_a_picture_covers_its_canvas_or_lies_on_it_as_a_whole(canvas: Size, size: Size, fit: Fit | None) -> None:
    place = placed_on(canvas, size, fit)
    wider, higher = place.scaled.width - canvas.width, place.scaled.height - canvas.height
    if fit is Fit.PAD and not same_shape(size, canvas):
        assert max(wider, higher) == 0 >= min(wider, higher)
    else:
        assert min(wider, higher) == 0 <= max(wider, higher)
    assert abs(place.left + wider / 2) <= 1
    assert abs(place.top + higher / 2) <= 1


@given(sizes, st.sampled_from([None, Fit.CROP, Fit.PAD]))
def test_a_picture_of_the_right_size_stays_as_it_is(size: Size, fit: Fit | None) -> None:
    assert placed_on(size, size, fit) == Placement(size, size, 0, 0)


@pytest.mark.parametrize("fit", [None, Fit.CROP, Fit.PAD])
def test_almost_the_same_shape_gets_no_border(fit: Fit | None) -> None:
    place = placed_on(Size(512, 512), Size(1000, 1010), fit)
    assert (place.left, place.scaled.width) == (0, 512)
    assert place.top <= 0


# --- pixels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_fits_is_not_encoded_again(fitting: Fitting, kind: str) -> None:
    data = encoded(quarters((128, 96)), kind)
    found, _ = fitting(data)
    assert (found.path.read_bytes(), found.size) == (data, Size(128, 96))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [None, Size(320, 320)])
def test_metadata_is_never_sent(fitting: Fitting, kind: str, size: Size | None) -> None:
    """An image that a service made has metadata, too."""
    found, _ = fitting(photo(kind, scene((96, 96))), size=size)
    written = found.path.read_bytes()
    assert not [trace for trace in photos.METADATA if trace in written]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_nothing_is_sent_after_the_end_of_the_picture(fitting: Fitting, kind: str) -> None:
    found, _ = fitting(encoded(quarters((128, 96)), kind) + photos.PLACE)
    assert photos.PLACE not in found.path.read_bytes()


@pytest.mark.parametrize("data", [encoded(scene((900, 600)), "PNG"), encoded(scene((900, 600)), "JPEG")])
@pytest.mark.parametrize("size", [Size(320, 1536), Size(1536, 640), Size(512, 512), Size(900, 600)])
@pytest.mark.parametrize("fit", [Fit.CROP, Fit.PAD])
def test_the_size_is_exact(fitting: Fitting, data: bytes, size: Size, fit: Fit) -> None:
    found, _ = fitting(data, size=size, fit=fit)
    assert found.size == size


def test_cropping_keeps_the_middle(fitting: Fitting) -> None:
    picture = Image.new("RGB", (400, 100), RED)
    picture.paste(LIME, (150, 0, 250, 100))
    _, sent = fitting(encoded(picture, "PNG"), size=Size(320, 320), fit=Fit.CROP)
    assert all(near(sent.getpixel(place), LIME) for place in ((3, 3), (316, 316), (160, 160)))


def test_padding_keeps_all_of_it_and_adds_a_border_of_its_colours(fitting: Fitting) -> None:
    picture = Image.new("RGB", (400, 100), (0, 90, 200))
    picture.paste(RED, (0, 0, 8, 100))
    picture.paste(LIME, (392, 0, 400, 100))
    _, sent = fitting(encoded(picture, "PNG"), size=Size(400, 400), fit=Fit.PAD)
    assert near(sent.getpixel((3, 200)), RED)
    assert near(sent.getpixel((396, 200)), LIME)
    assert near(sent.getpixel((200, 160)), (0, 90, 200), 5)
    assert near(sent.getpixel((200, 5)), (0, 90, 200), 30), "no white or black bars"


def test_transparency_becomes_white_unless_it_is_wanted(fitting: Fitting) -> None:
    picture = Image.new("RGBA", (100, 80), (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (50, 0, 100, 80))
    data = encoded(picture, "PNG")
    found, sent = fitting(data)
    assert (sent.mode, sent.getpixel((10, 10)), sent.getpixel((90, 10))) == ("RGB", RED, WHITE)
    found, sent = fitting(data, transparent=True)
    assert (sent.mode, found.path.read_bytes()) == ("RGBA", data)
    _, sent = fitting(data, transparent=True, size=Size(320, 256))
    assert [sent.getpixel((x, 20))[3] for x in (20, 300)] == [255, 0]  # type: ignore[index]  # an RGBA pixel


@pytest.mark.parametrize(
    ("largest", "media_types"),
    [(4 << 20, {"image/png"}), (300_000, {"image/jpeg"}), (120_000, {"image/jpeg"})],
)
def test_the_file_is_never_larger_than_the_limit(fitting: Fitting, largest: int, media_types: set[str]) -> None:
    data = encoded(Image.effect_noise((700, 500), 60).convert("RGB"), "PNG")
    found, _ = fitting(data, largest=largest)
    assert found.media_type in media_types


def test_a_large_picture_with_transparency_becomes_webp(fitting: Fitting) -> None:
    noise = Image.effect_noise((400, 400), 80)
    found, sent = fitting(encoded(Image.merge("RGBA", [noise] * 4), "PNG"), transparent=True, largest=250_000)
    assert (found.media_type, sent.mode) == ("image/webp", "RGBA")


def test_an_exact_size_is_never_given_up_for_the_limit(fitting: Fitting) -> None:
    data = encoded(Image.effect_noise((320, 320), 90), "JPEG")
    with pytest.raises(TooManyBytes):
        fitting(data, size=Size(320, 320), largest=1_000)


@pytest.mark.parametrize("picture", [("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("PNG", "RGBA")])
@pytest.mark.parametrize(
    "formats",
    [("image/png", "image/jpeg"), ("image/jpeg",), ("image/png",), ("image/webp",), ("image/png", "image/webp")],
)
@pytest.mark.parametrize("size", [Size(400, 300), Size(320, 240)])
def test_only_formats_that_the_operation_accepts_are_sent(
    fitting: Fitting, picture: tuple[str, str], formats: tuple[str, ...], size: Size
) -> None:
    stored, mode = picture
    data = encoded(scene((400, 300)).convert(mode), stored)
    found, _ = fitting(data, size=size, formats=formats)
    assert found.media_type in formats
    if formats != ("image/png",):
        found, _ = fitting(data, size=size, formats=formats, largest=9_000)
        assert found.media_type in formats


def test_a_file_that_is_no_picture(fitting: Fitting) -> None:
    with pytest.raises(Undecodable):
        fitting(b"no picture", size=Size(8, 8))
