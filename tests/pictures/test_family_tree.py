"""The drawing of a family tree: its bounds, its emphasis, its signs and its letters."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image, ImageColor

from bot.pictures import family_tree
from bot.pictures.family_tree import Face, Sign, draw
from bot.pictures.lettering import Lettering
from bot.pictures.tree_layout import Chosen, chosen

pytestmark = pytest.mark.slow

ACCENT = ImageColor.getrgb("#f0b56a")
SMALL = 28


def encoded(colour: str, size: tuple[int, int] = (320, 320), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "WEBP", lossless=True)
    return stream.getvalue()


def drawn(found: Chosen, *, asked: int, foot: str = "", **special: Face) -> Image.Image:
    plain = Face(["Ada"], "varied", encoded("teal"))
    faces = {node: special.get(f"n{node}", plain) for node in found.nodes}
    image = Image.open(io.BytesIO(draw(found, faces, asked=asked, foot=foot)))
    assert image.format == "WEBP"
    return image.convert("RGBA")


def near(pixel: object, colour: tuple[int, ...]) -> bool:
    """Whether the colours are the same but for the compression."""
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 24 for one, other in zip(pixel[:3], colour[:3], strict=True))


def places_of(image: Image.Image, colour: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The places with this colour, of a quarter of all pixels."""
    for x in range(0, image.width, 2):
        for y in range(0, image.height, 2):
            if near(image.getpixel((x, y)), colour):
                yield x, y


def test_the_panel_is_opaque_and_only_its_corners_are_transparent() -> None:
    image = drawn(chosen([1, 2], []), asked=2)
    alpha = image.getchannel("A")
    assert alpha.getpixel((0, 0)) == 0
    assert alpha.getpixel((image.width // 2, 0)) == 255
    assert alpha.getpixel((0, image.height // 2)) == 255


def test_only_the_asked_job_is_emphasised() -> None:
    image = drawn(chosen([1, 2, 3], []), asked=2)
    found = list(places_of(image, ACCENT))
    assert found
    third = image.width / 3
    assert all(third - 20 < x < 2 * third + 20 for x, _ in found)


def test_the_whole_picture_is_visible_whatever_its_shape() -> None:
    wide = Face(["Ada"], "extended", encoded("red", (320, 80)))
    tall = Face(["Ada"], "varied", encoded("lime", (16, 64)))
    image = drawn(chosen([1, 2], []), asked=1, n1=wide, n2=tall)
    for colour, ratio in (((255, 0, 0), 4.0), ((0, 255, 0), 0.25)):
        found = list(places_of(image, colour))
        width = max(x for x, _ in found) - min(x for x, _ in found)
        height = max(y for _, y in found) - min(y for _, y in found)
        assert width / height == pytest.approx(ratio, rel=0.1)


def test_a_transparent_picture_stands_on_the_ground_of_its_box() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(clear, "WEBP", lossless=True)
    image = drawn(chosen([1], []), asked=1, n1=Face(["Ada"], "varied", clear.getvalue()))
    assert not list(places_of(image, (255, 0, 0)))


@pytest.mark.parametrize("sign", Sign)
def test_a_member_without_a_picture_has_a_sign(sign: Sign) -> None:
    chain = chosen([1, 2], [])
    with_sign = drawn(chain, asked=2, n1=Face(["Private"], "", sign))
    others = [drawn(chain, asked=2, n1=Face(["Private"], "", other)) for other in Sign if other is not sign]
    assert all(with_sign.tobytes() != other.tobytes() for other in others)


@pytest.mark.parametrize("data", [b"", b"no picture", encoded("red")[:24]])
def test_a_broken_picture_is_drawn_as_none(data: bytes) -> None:
    chain = chosen([1, 2], [])
    broken = drawn(chain, asked=2, n1=Face(["Ada"], "varied", data))
    assert broken.tobytes() == drawn(chain, asked=2, n1=Face(["Ada"], "varied", Sign.NONE)).tobytes()


def test_the_largest_tree_is_bounded() -> None:
    pairs = [(node, 1 + (node - 2) // 3) for node in range(2, 400)]
    found = chosen([1], pairs)
    image = drawn(found, asked=1, foot="and 300 more")
    assert image.width <= 1600
    assert image.height <= 3600


def test_a_foot_and_a_badge_are_drawn() -> None:
    chain = chosen([1], [])
    bare = drawn(chain, asked=1)
    assert drawn(chain, asked=1, foot="and 12 more").height > bare.height
    assert drawn(chain, asked=1, n1=Face(["Ada"], "varied", encoded("teal"), "+12")).tobytes() != bare.tobytes()


# --- letters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ada", "Zoë Müller", "Ада", "Ελένη", "أدا", "עדה", "Łukasz"])
def test_names_in_many_scripts_are_written(name: str) -> None:
    assert Lettering(SMALL).writable([name, "ascii"]) == name


@pytest.mark.parametrize("name", ["大輔", "एडा", "เอดา", "Ada 大輔", "🦊🦊", "", "\u200b\u200b"])
def test_a_name_that_no_font_can_write_is_replaced_by_the_next_spelling(name: str) -> None:
    assert Lettering(SMALL).writable([name, "ascii.name"]) == "ascii.name"
    assert Lettering(SMALL).writable([name]) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada 🦊", "Ada"),
        ("🦊 Ada 🦊 Fox", "Ada Fox"),
        ("𝓐𝓭𝓪", "Ada"),
        ("Ada\u202e\n", "Ada"),
        ("A\u0301da", "Áda"),
    ],
)
def test_signs_around_a_name_are_omitted_and_fancy_letters_become_plain(name: str, expected: str) -> None:
    assert Lettering(SMALL).writable([name, "ascii"]) == expected


def test_a_long_text_is_shortened_to_its_width() -> None:
    lettering = Lettering(SMALL)
    text, font = lettering.fitted("W" * 200, 200)
    assert text.endswith("…")
    assert font.getlength(text) <= 200
    assert lettering.fitted("Ada", 200)[0] == "Ada"


def test_text_of_any_length_stays_in_its_cell() -> None:
    faces = {1: Face(["W" * 400], "M" * 400, Sign.NONE), 2: Face(["W" * 400], "M" * 400, Sign.NONE)}
    image = Image.open(io.BytesIO(draw(chosen([1, 2], []), faces, asked=1))).convert("RGB")
    # Between the two cells, below the boxes, there is only the panel.
    middle = image.width // 2
    panel = ImageColor.getrgb(family_tree._PANEL)
    assert all(near(image.getpixel((middle, y)), panel) for y in range(image.height - 90, image.height - 20))
