"""Masks have the size of the picture that is sent, and mark what a person marked."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.domain.areas import GRIDS, Area
from bot.pictures.decoding import Undecodable
from bot.pictures.fitting import placed_on
from bot.pictures.masks import _BLACK, GROWN, Mask, area_mask, file_mask
from bot.providers.operations import Fit, MaskKind, Size
from tests.doubles import photos
from tests.doubles.photos import encoded, scene

BEYOND = GROWN + 12
"""This many pixels outside an area, nothing is marked."""


def opened(mask: Mask) -> Image.Image:
    with Image.open(mask.file.path) as picture:
        picture.load()
    assert (picture.format, picture.mode, Size(*picture.size)) == ("PNG", "L", mask.file.size)
    assert (mask.file.media_type, mask.file.bytes) == ("image/png", mask.file.path.stat().st_size)
    assert not picture.info
    return picture


def value(picture: Image.Image, x: float, y: float) -> int:
    return picture.getpixel((int(x), int(y)))  # type: ignore[return-value]  # a grey pixel


areas = st.sampled_from(GRIDS).flatmap(
    lambda side: st.builds(Area.of, st.just(side), st.frozensets(st.integers(1, side * side)))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(areas, st.integers(64, 400), st.integers(64, 400))
def test_cells_are_white_and_everything_far_from_them_is_black(
    tmp_path_factory: pytest.TempPathFactory, area: Area, width: int, height: int
) -> None:
    size = Size(width, height)
    mask = area_mask(area, tmp_path_factory.getbasetemp() / "mask", source=size, sent=size, fit=None)
    picture = opened(mask)
    assert mask.file.size == size
    for cell in range(1, area.side**2 + 1):
        row, column = divmod(cell - 1, area.side)
        left, right = width * column // area.side, width * (column + 1) // area.side
        top, bottom = height * row // area.side, height * (row + 1) // area.side
        inside = picture.crop((left, top, right, bottom))
        if cell in area.cells:
            assert inside.getextrema() == (255, 255)
        else:
            around = {cell + down * area.side + across for down in (-1, 0, 1) for across in (-1, 0, 1)}
            if not around & area.cells:
                assert inside.getextrema()[1] == 0 or (right - left < BEYOND or bottom - top < BEYOND)
    assert mask.nothing_marked == (not area.cells)
    assert mask.all_marked == (len(area.cells) == area.side**2)
    if area.cells:
        assert mask.marked >= len(area.cells) / area.side**2 * 0.9


@pytest.mark.parametrize("size", [Size(1024, 1024), Size(2048, 1152)])
def test_an_area_is_grown_and_its_edges_are_soft(tmp_path: Path, size: Size) -> None:
    picture = opened(area_mask(Area.of(4, [6]), tmp_path / "mask", source=size, sent=size, fit=None))
    left, middle = size.width // 4, size.height * 3 // 8
    along = [value(picture, left - off, middle) for off in range(BEYOND)]
    assert along[0] >= 250
    assert along[GROWN] in range(80, 180), "half white where the grown area ends"
    assert along[-1] == 0
    assert along == sorted(along, reverse=True)
    assert len(set(along)) >= 6


def test_an_area_at_the_edge_reaches_the_edge(tmp_path: Path) -> None:
    size = Size(256, 256)
    picture = opened(area_mask(Area.of(4, [1]), tmp_path / "mask", source=size, sent=size, fit=None))
    assert value(picture, 0, 0) == 255
    assert value(picture, 255, 255) == 0


@pytest.mark.parametrize("fit", [Fit.CROP, Fit.PAD])
def test_an_area_stays_where_it_is_in_the_picture(tmp_path: Path, fit: Fit) -> None:
    """The picture was cropped or padded, and the mask is, too."""
    source, sent = Size(800, 400), Size(400, 400)
    place = placed_on(sent, source, fit)
    picture = opened(area_mask(Area.of(4, [6]), tmp_path / "mask", source=source, sent=sent, fit=fit))
    middle = (place.left + place.scaled.width * 3 / 8, place.top + place.scaled.height * 3 / 8)
    assert value(picture, *middle) == 255
    assert value(picture, middle[0] + place.scaled.width / 4 + BEYOND, middle[1]) == 0
    if fit is Fit.PAD:
        assert picture.crop((0, 0, 400, place.top)).getextrema() == (0, 0), "the border is kept"


def test_an_area_that_was_cut_off_marks_nothing(tmp_path: Path) -> None:
    mask = area_mask(Area.of(4, [1]), tmp_path / "mask", source=Size(1600, 400), sent=Size(400, 400), fit=Fit.CROP)
    assert mask.nothing_marked


# --- files --------------------------------------------------------------------------------------------------------

FromFile = Callable[..., Mask]
WIDE = Size(200, 100)


@pytest.fixture
def from_file(tmp_path: Path) -> FromFile:
    def make(picture: Image.Image, *, kind: str = "PNG", source: Size = WIDE, **more: Any) -> Mask:
        file = tmp_path / "stored"
        file.write_bytes(encoded(picture, kind, **({"quality": 80} if kind == "JPEG" else {})))
        options = {"sent": source, "fit": None, **more}
        return file_mask(file, tmp_path / "mask", source=source, **options)

    return make


def half(size: tuple[int, int] = (200, 100), mode: str = "L") -> Image.Image:
    """A mask that marks the left half."""
    picture = Image.new("L", size, 0)
    picture.paste(255, (0, 0, size[0] // 2, size[1]))
    return picture.convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(200, 100), (50, 25), (1000, 500), (64, 64)])
def test_white_is_repainted_and_black_is_kept(from_file: FromFile, mode: str, size: tuple[int, int]) -> None:
    mask = from_file(half(size, mode))
    picture = opened(mask)
    assert (mask.file.size, value(picture, 20, 50), value(picture, 180, 50)) == (Size(200, 100), 255, 0)
    assert (mask.nothing_marked, mask.all_marked, mask.unclear) == (False, False, False)
    assert math.isclose(mask.marked, 0.5, abs_tol=0.02)


def test_grey_is_repainted_partly(from_file: FromFile) -> None:
    mask = from_file(Image.new("L", (200, 100), 128))
    assert value(opened(mask), 50, 50) == 128
    assert mask.unclear


def test_a_mask_with_losses_is_clear(from_file: FromFile) -> None:
    mask = from_file(half(), kind="JPEG")
    assert not mask.unclear
    assert not from_file(Image.new("L", (200, 100), 4), kind="JPEG").marked > 0.05
    assert from_file(Image.new("L", (200, 100), 4), kind="JPEG").nothing_marked
    assert from_file(Image.new("L", (200, 100), 252), kind="JPEG").all_marked


def test_what_is_transparent_is_kept(from_file: FromFile) -> None:
    """People paint white on an empty layer, which has any colour where it is transparent."""
    picture = Image.new("RGBA", (200, 100), (255, 255, 255, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 100, 100))
    mask = from_file(picture)
    assert (value(opened(mask), 20, 50), value(opened(mask), 180, 50)) == (255, 0)


def test_a_photo_is_not_clearly_a_mask(from_file: FromFile) -> None:
    assert from_file(scene((200, 100))).unclear


def test_a_mask_that_marks_nothing_or_all(from_file: FromFile) -> None:
    none, all_of_it = from_file(Image.new("L", (8, 8), 0)), from_file(Image.new("L", (8, 8), 255))
    assert (none.nothing_marked, none.all_marked, none.marked) == (True, False, 0)
    assert (all_of_it.nothing_marked, all_of_it.all_marked, all_of_it.marked) == (False, True, 1)


@pytest.mark.parametrize(("fit", "corner"), [(Fit.CROP, 255), (Fit.PAD, 0)])
def test_a_mask_is_fitted_as_its_picture(from_file: FromFile, fit: Fit, corner: int) -> None:
    mask = from_file(half(), source=Size(200, 100), sent=Size(100, 100), fit=fit)
    picture = opened(mask)
    assert (mask.file.size, value(picture, 2, 2)) == (Size(100, 100), corner)
    assert (value(picture, 30, 50), value(picture, 70, 50)) == (255, 0)


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    file = tmp_path / "stored"
    file.write_bytes(photos.PLACE)
    with pytest.raises(Undecodable):
        file_mask(file, tmp_path / "mask", source=Size(64, 64), sent=Size(64, 64), fit=None)


def test_a_mask_for_services_that_look_at_the_transparency(tmp_path: Path) -> None:
    size, area = Size(256, 192), Area.of(4, frozenset({1, 6}))
    marked = area_mask(area, tmp_path / "alpha", source=size, sent=size, fit=None, kind=MaskKind.ALPHA)
    plain = opened(area_mask(area, tmp_path / "white", source=size, sent=size, fit=None))
    with Image.open(marked.file.path) as picture:
        assert (picture.format, picture.mode, marked.file.bytes) == ("PNG", "RGBA", (tmp_path / "alpha").stat().st_size)
        assert picture.convert("L").tobytes() == plain.tobytes(), "others look at the brightness"
        alpha = picture.getchannel("A")
    assert set(alpha.getextrema()) == {0, 255}
    assert alpha.getpixel((32, 24)) == 0
    assert alpha.getpixel((250, 190)) == 255
    # What is repainted only partly in the other kind is repainted here.
    edge = plain.point([int(_BLACK < value < 255) for value in range(256)])
    assert edge.getextrema() == (0, 1)
    assert not any(a for a, at_edge in zip(alpha.tobytes(), edge.tobytes(), strict=True) if at_edge)


def test_an_attached_mask_for_services_that_look_at_the_transparency(tmp_path: Path) -> None:
    size = Size(64, 64)
    attached = Image.new("L", (64, 64))
    attached.paste(255, (0, 0, 32, 64))
    attached.save(tmp_path / "attached.png")
    made = file_mask(
        tmp_path / "attached.png", tmp_path / "mask", source=size, sent=size, fit=None, kind=MaskKind.ALPHA
    )
    with Image.open(made.file.path) as picture:
        assert [picture.getpixel((x, 8)) for x in (8, 56)] == [(255, 255, 255, 0), (0, 0, 0, 255)]
