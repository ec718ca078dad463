"""A stored picture becomes what an operation requires, and nothing of it is lost unless a person said so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from bot.domain.sizes import Ratio
from bot.pictures.decoding import Undecodable
from bot.pictures.fitting import (
    TOLERANCE,
    Placement,
    fit_required,
    fitted,
    needs_fit,
    placed_on,
    placement,
)
from bot.providers.operations import Fit, PictureFile, PictureRules, Size
from tests.doubles import photos
from tests.doubles.photos import encoded, photo, quarters, scene

ANY = PictureRules(ratio=None)
EDIT = PictureRules()
EXACT = PictureRules(exact=True, ratio=None)
RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

sizes = st.builds(Size, st.integers(1, 9_000), st.integers(1, 9_000))
fits = st.sampled_from([None, Fit.CROP, Fit.PAD])


class Fitting:
    """Fits the bytes of a stored picture, and opens what was written."""

    def __init__(self, folder: Path) -> None:
        self.stored, self.aside = folder / "stored", folder / "aside"

    def __call__(
        self,
        data: bytes,
        *,
        size: Size | None = None,
        rules: PictureRules = EDIT,
        fit: Fit | None = None,
        transparent: bool = False,
        largest: int = 8 << 20,
    ) -> tuple[PictureFile, Image.Image]:
        self.stored.write_bytes(data)
        found = fitted(
            self.stored, self.aside, size=size, rules=rules, fit=fit, transparent=transparent, largest=largest
        )
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


@given(sizes, sizes)
def test_a_fit_is_needed_in_both_directions_or_in_none(one: Size, other: Size) -> None:
    assert needs_fit(one, other) == needs_fit(other, one)
    assert not needs_fit(one, one)
    assert needs_fit(one, other) == needs_fit(one, Ratio(other.width, other.height))


@pytest.mark.parametrize(
    ("size", "wanted", "needed"),
    [
        (Size(1024, 1024), Size(512, 512), False),
        (Size(1024, 1023), Ratio(1, 1), False),
        (Size(1024, 1000), Ratio(1, 1), True),
        (Size(1920, 1080), Ratio(16, 9), False),
        (Size(1344, 768), Ratio(16, 9), False),
        (Size(1080, 1920), Ratio(16, 9), True),
    ],
)
def test_when_a_fit_is_needed(size: Size, wanted: Size | Ratio, needed: bool) -> None:
    assert needs_fit(size, wanted) is needed


@pytest.mark.parametrize(
    ("size", "wanted", "rules", "required"),
    [
        (Size(2500, 1000), None, EDIT, False),
        (Size(2540, 1000), None, EDIT, False),
        (Size(2600, 1000), None, EDIT, True),
        (Size(1000, 2600), None, EDIT, True),
        (Size(1000, 9000), None, ANY, False),
        (Size(2600, 1000), Size(1024, 1024), EDIT, True),
        (Size(1000, 1000), Size(1536, 640), EDIT, False),
        (Size(1000, 1000), Size(1536, 640), EXACT, True),
        (Size(3072, 1280), Size(1536, 640), EXACT, False),
    ],
)
def test_when_a_person_has_to_choose(size: Size, wanted: Size | None, rules: PictureRules, required: bool) -> None:
    assert fit_required(size, wanted, rules) is required
    if required:
        with pytest.raises(ValueError, match="first"):
            placement(size, wanted, rules, None)


@given(sizes, fits, st.sampled_from([EDIT, ANY, PictureRules(least_side=320, most_pixels=1_048_576, ratio=1.5)]))
def test_what_is_sent_is_always_within_the_rules(size: Size, fit: Fit | None, rules: PictureRules) -> None:
    assume(rules.ratio is not None or max(size.width, size.height) < 1_000 * min(size.width, size.height))
    assume(fit is not None or not fit_required(size, None, rules))
    canvas = placement(size, None, rules, fit).canvas
    assert min(canvas.width, canvas.height) >= min(rules.least_side, 64)
    if rules.ratio is not None:
        assert min(canvas.width, canvas.height) >= rules.least_side
        assert max(canvas.width, canvas.height) <= rules.ratio * min(canvas.width, canvas.height)
        assert rules.least_pixels <= canvas.pixels <= rules.most_pixels


@given(sizes, sizes, fits)
def test_a_picture_covers_its_canvas_or_lies_on_it_as_a_whole(canvas: Size, size: Size, fit: Fit | None) -> None:
    place = placed_on(canvas, size, fit)
    wider, higher = place.scaled.width - canvas.width, place.scaled.height - canvas.height
    if fit is Fit.PAD and needs_fit(size, canvas):
        assert max(wider, higher) == 0 >= min(wider, higher)
    else:
        assert min(wider, higher) == 0 <= max(wider, higher)
    assert abs(place.left + wider / 2) <= 1
    assert abs(place.top + higher / 2) <= 1


@given(sizes)
def test_a_picture_within_the_rules_stays_as_it_is(size: Size) -> None:
    assume(4_096 <= size.pixels <= 9_437_184 and min(size.width, size.height) >= 64 and not needs_fit(size, size))
    assume(max(size.width, size.height) <= 2.5 * min(size.width, size.height))
    for fit in (None, Fit.CROP, Fit.PAD):
        assert placement(size, None, EDIT, fit) == Placement(size, size, 0, 0)


def test_within_the_tolerance_nothing_is_asked_and_no_border_is_added() -> None:
    size = Size(1000, round(1000 * (1 + TOLERANCE / 2)))
    for fit in (None, Fit.CROP, Fit.PAD):
        place = placement(size, Size(512, 512), EXACT, fit)
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
    found, _ = fitting(photo(kind, scene((96, 96))), size=size, rules=EXACT)
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
    found, _ = fitting(data, size=size, rules=EXACT, fit=fit)
    assert found.size == size


def test_the_size_of_the_request_does_not_count_where_it_follows_from_the_picture(fitting: Fitting) -> None:
    found, _ = fitting(encoded(quarters((200, 100)), "PNG"), size=Size(512, 512))
    assert found.size == Size(200, 100)


def test_cropping_keeps_the_middle(fitting: Fitting) -> None:
    picture = Image.new("RGB", (400, 100), RED)
    picture.paste(LIME, (150, 0, 250, 100))
    _, sent = fitting(encoded(picture, "PNG"), size=Size(320, 320), rules=EXACT, fit=Fit.CROP)
    assert all(near(sent.getpixel(place), LIME) for place in ((3, 3), (316, 316), (160, 160)))


def test_padding_keeps_all_of_it_and_adds_a_border_of_its_colours(fitting: Fitting) -> None:
    picture = Image.new("RGB", (400, 100), (0, 90, 200))
    picture.paste(RED, (0, 0, 8, 100))
    picture.paste(LIME, (392, 0, 400, 100))
    _, sent = fitting(encoded(picture, "PNG"), size=Size(400, 400), rules=EXACT, fit=Fit.PAD)
    assert near(sent.getpixel((3, 200)), RED)
    assert near(sent.getpixel((396, 200)), LIME)
    assert near(sent.getpixel((200, 160)), (0, 90, 200), 5)
    assert near(sent.getpixel((200, 5)), (0, 90, 200), 30), "no white or black bars"


@pytest.mark.parametrize(("width", "height"), [(1_000, 64), (64, 1_000), (3_000, 30)])
@pytest.mark.parametrize("fit", [Fit.CROP, Fit.PAD])
def test_a_ratio_beyond_the_rules(fitting: Fitting, width: int, height: int, fit: Fit) -> None:
    found, _ = fitting(encoded(scene((width, height)), "PNG"), fit=fit)
    assert max(found.size.width, found.size.height) <= 2.5 * min(found.size.width, found.size.height)
    assert min(found.size.width, found.size.height) >= 64
    assert (found.size.width > found.size.height) == (width > height)


def test_a_tiny_picture_is_enlarged(fitting: Fitting) -> None:
    found, sent = fitting(encoded(quarters((16, 12)), "PNG"))
    assert found.size == Size(86, 64)
    assert near(sent.getpixel((5, 5)), RED)


def test_transparency_becomes_white_unless_it_is_wanted(fitting: Fitting) -> None:
    picture = Image.new("RGBA", (100, 80), (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (50, 0, 100, 80))
    data = encoded(picture, "PNG")
    found, sent = fitting(data)
    assert (sent.mode, sent.getpixel((10, 10)), sent.getpixel((90, 10))) == ("RGB", RED, WHITE)
    found, sent = fitting(data, transparent=True)
    assert (sent.mode, found.path.read_bytes()) == ("RGBA", data)
    _, sent = fitting(data, transparent=True, size=Size(320, 256), rules=EXACT)
    assert [sent.getpixel((x, 20))[3] for x in (20, 300)] == [255, 0]  # type: ignore[index]  # an RGBA pixel


@pytest.mark.parametrize(
    ("largest", "media_types"),
    [(4 << 20, {"image/png"}), (300_000, {"image/jpeg"}), (60_000, {"image/jpeg"}), (8_000, {"image/jpeg"})],
)
def test_the_file_is_never_larger_than_the_limit(fitting: Fitting, largest: int, media_types: set[str]) -> None:
    data = encoded(Image.effect_noise((700, 500), 60).convert("RGB"), "PNG")
    found, _ = fitting(data, largest=largest)
    assert found.media_type in media_types
    assert abs(found.size.width / found.size.height - 1.4) < 0.03
    if largest >= 300_000:
        assert found.size == Size(700, 500), "quality is lowered before pixels are lost"


def test_a_large_picture_with_transparency_becomes_webp(fitting: Fitting) -> None:
    noise = Image.effect_noise((400, 400), 80)
    found, sent = fitting(encoded(Image.merge("RGBA", [noise] * 4), "PNG"), transparent=True, largest=150_000)
    assert (found.media_type, sent.mode) == ("image/webp", "RGBA")


def test_an_exact_size_is_never_given_up_for_the_limit(fitting: Fitting) -> None:
    data = encoded(Image.effect_noise((320, 320), 90), "JPEG")
    with pytest.raises(ValueError, match="1000 bytes"):
        fitting(data, size=Size(320, 320), rules=EXACT, largest=1_000)


def test_a_picture_is_not_shrunk_below_the_rules(fitting: Fitting) -> None:
    data = encoded(Image.effect_noise((320, 320), 90), "JPEG")
    with pytest.raises(ValueError, match="2000 bytes"):
        fitting(data, rules=PictureRules(least_side=300), largest=2_000)


def test_a_file_that_is_no_picture(fitting: Fitting) -> None:
    with pytest.raises(Undecodable):
        fitting(b"no picture")


def test_a_choice_that_is_missing_is_an_error_of_the_caller(fitting: Fitting) -> None:
    for call in (
        lambda: fitting(encoded(quarters((400, 100)), "PNG")),
        lambda: fitting(encoded(quarters((400, 300)), "PNG"), size=Size(512, 512), rules=EXACT),
    ):
        _raises(call)


def _raises(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="first"):
        call()
