"""Drawings for the panel: small, opaque, and with a grid that shows what is marked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from bot.domain.areas import Area
from bot.pictures.decoding import Undecodable
from bot.pictures.grids import SIDE_AT_MOST, grid_base, grid_picture, marked_picture, panel_picture
from tests.doubles import photos
from tests.doubles.photos import encoded, photo, scene

LARGEST = 512 * 1024
"""A drawing has to reach a phone in no time."""


def drawn(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.format == "JPEG"
    assert max(picture.size) <= SIDE_AT_MOST
    assert len(data) <= LARGEST
    assert not [trace for trace in photos.METADATA if trace in data]
    return picture


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "stored"


@pytest.mark.parametrize("size", [(1500, 1000), (1000, 1500), (1024, 1024), (200, 100), (1, 1), (5, 900)])
def test_the_picture_of_the_panel(stored: Path, size: tuple[int, int]) -> None:
    stored.write_bytes(photo("PNG", scene(size), compress_level=1))
    scale = min(1, SIDE_AT_MOST / max(size))
    assert drawn(panel_picture(stored)).size == tuple(max(1, round(side * scale)) for side in size)


@pytest.mark.parametrize("shade", [0, 90, 255])
@pytest.mark.parametrize("side", [4, 8])
@pytest.mark.parametrize("size", [(1600, 1600), (1500, 600), (600, 1500), (120, 90)])
def test_marked_cells_differ_from_the_others(stored: Path, size: tuple[int, int], side: int, shade: int) -> None:
    stored.write_bytes(encoded(Image.new("RGB", size, (shade, shade, shade)), "PNG"))
    marked = [1, side + 2, side * side]
    base = grid_base(stored)
    picture, plain = (drawn(grid_picture(base, Area.of(side, cells))) for cells in (marked, []))
    assert picture.size == plain.size
    assert min(picture.size) >= 400
    width, height = picture.width / side, picture.height / side
    for cell in range(1, side * side + 1):
        row, column = divmod(cell - 1, side)
        x, y = int((column + 0.2) * width), int((row + 0.2) * height)
        off = ImageStat.Stat(ImageChops.difference(picture, plain).crop((x - 1, y - 1, x + 2, y + 2))).mean
        assert (max(off) > 40) == (cell in marked), cell


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("side", [4, 8])
def test_lines_and_numbers_can_be_seen_on_any_picture(stored: Path, side: int, shade: int) -> None:
    stored.write_bytes(encoded(Image.new("RGB", (800, 800), (shade, shade, shade)), "PNG"))
    picture = drawn(grid_picture(grid_base(stored), Area.of(side, [])))
    cell = picture.width // side
    for number in range(side * side):
        row, column = divmod(number, side)
        middle = picture.crop((column * cell + 4, row * cell + 4, (column + 1) * cell - 4, (row + 1) * cell - 4))
        darkest, lightest = middle.convert("L").getextrema()
        assert lightest - darkest > 100, "white digits on a dark badge"  # type: ignore[operator]  # a pixel of grey is a number
    line = picture.crop((cell - 6, cell // 4, cell + 6, cell // 4 + 4)).convert("L").getextrema()
    assert line[1] - line[0] > 60  # type: ignore[operator]  # a pixel of grey is a number


@pytest.mark.parametrize("draw", [panel_picture, lambda file: grid_picture(grid_base(file), Area.of(4, [6]))])
def test_transparent_parts_show_a_chequerboard(stored: Path, draw: object) -> None:
    stored.write_bytes(encoded(Image.new("RGBA", (600, 600)), "PNG"))
    assert callable(draw)
    shades = drawn(draw(stored)).convert("L").crop((20, 20, 120, 120)).getextrema()
    assert shades[1] - shades[0] > 20  # type: ignore[operator]  # a pixel of grey is a number


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_the_white_parts_of_a_mask_are_tinted(stored: Path, tmp_path: Path, shade: int, mode: str) -> None:
    stored.write_bytes(encoded(Image.new("RGB", (400, 200), (shade,) * 3), "PNG"))
    mask = Image.new(mode, (100, 50), 0)
    mask.paste("white", (0, 0, 50, 50))
    (tmp_path / "mask").write_bytes(encoded(mask, "PNG"))
    picture = drawn(marked_picture(stored, tmp_path / "mask"))
    assert picture.size == (400, 200)
    for place, tinted in (((100, 100), True), ((300, 100), False), ((230, 190), False)):
        off = max(abs(value - shade) for value in picture.getpixel(place))  # type: ignore[union-attr]  # a pixel of RGB is a tuple
        assert (off > 40) == tinted
    rim = picture.crop((190, 90, 210, 110)).convert("L").getextrema()
    assert rim[1] - rim[0] > 60  # type: ignore[operator]  # a pixel of grey is a number


def test_a_file_that_is_no_picture(stored: Path) -> None:
    stored.write_bytes(b"no picture")
    with pytest.raises(Undecodable):
        panel_picture(stored)
    with pytest.raises(Undecodable):
        grid_base(stored)
