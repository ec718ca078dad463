"""The names of shapes, and the engine's size for a shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.sizes import Ratio, nearest_size, parse_shape, ratio_name, size_text, sizes_for
from bot.providers.base import Engine
from bot.providers.operations import Size
from tests.doubles.engines import BASIC, CORE, XL

sides = st.integers(5, 24).map(lambda steps: 64 * steps)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1024x768", Size(1024, 768)),
        ("1024 × 768", Size(1024, 768)),
        ("16:9", Ratio(16, 9)),
        (" 16 : 9 ", Ratio(16, 9)),
        ("Square", Ratio(1, 1)),
        (" Wide ", Ratio(16, 9)),
        ("landscape", Ratio(3, 2)),
        ("portrait", Ratio(2, 3)),
        ("phone", Ratio(9, 16)),
    ],
)
def test_shapes(text: str, shape: Size | Ratio) -> None:
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    "text", ["", "x", ":", "16:", "16:9:1", "0:1", "1:0", "-1:2", "1.5:1", "٣:٢", "1:12345", "broad", "wid"]
)
def test_invalid_shapes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_shape(text)


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ("1024x1024", "square"),
        ("320x320", "square"),
        ("1152x896", "5:4"),
        ("896x1152", "4:5"),
        ("1216x832", "3:2"),
        ("1344x768", "16:9"),
        ("768x1344", "9:16"),
        ("1536x640", "21:9"),
        ("640x1536", "9:21"),
        ("1280x960", "4:3"),
        ("1024x512", "2:1"),
        ("1536x320", "24:5"),
        ("320x1536", "5:24"),
    ],
)
def test_the_name_of_a_shape(size: str, name: str) -> None:
    assert ratio_name(Size.parse(size)) == name


@given(sides, sides)
def test_a_rotated_shape_has_the_reversed_name(width: int, height: int) -> None:
    name, turned = ratio_name(Size(width, height)), ratio_name(Size(height, width))
    assert turned == ":".join(reversed(name.split(":")))


@pytest.mark.parametrize(
    ("engine", "ratio", "size"),
    [
        (XL, "1:1", "1024x1024"),
        (XL, "16:9", "1344x768"),
        (XL, "32:18", "1344x768"),
        (XL, "9:16", "768x1344"),
        (XL, "4:3", "1152x896"),
        (XL, "3:2", "1216x832"),
        (XL, "2:1", "1344x768"),
        (XL, "21:9", "1536x640"),
        (XL, "10:1", None),
        (BASIC, "1:1", "1024x1024"),
        (BASIC, "16:9", "1344x768"),
        (BASIC, "9:16", "768x1344"),
        (BASIC, "3:2", "1344x896"),
        (BASIC, "4:1", "1536x384"),
        (BASIC, "6:1", None),
        (CORE, "3:2", "576x384"),
    ],
)
def test_the_nearest_size_of_a_ratio(engine: Engine, ratio: str, size: str | None) -> None:
    found = nearest_size(engine, Ratio.parse(ratio))
    assert (found and str(found)) == size


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from([XL, BASIC, CORE]))
def test_a_ratio_gives_a_supported_size_of_about_that_shape_or_none(width: int, height: int, engine: Engine) -> None:
    ratio = Ratio(width, height)
    size = nearest_size(engine, ratio)
    if size is None:
        assert not 1 / 2.4 < width / height < 2.4
        return
    assert engine.takes_size(size)
    assert 1 / 1.21 < (size.width / size.height) / (width / height) < 1.21
    turned = nearest_size(engine, Ratio(height, width))
    assert turned is not None
    assert engine.takes_size(turned)


@given(sides, sides)
def test_every_size_of_a_grid_engine_can_be_typed(width: int, height: int) -> None:
    assert sizes_for(BASIC, f"{width}x{height}")[0] == Size(width, height)


@pytest.mark.parametrize(
    ("engine", "text", "sizes"),
    [
        (XL, "", " ".join(map(str, XL.sizes))),
        (XL, "15", "1536x640 640x1536 1152x896 896x1152"),
        (XL, "1536", "1536x640 640x1536"),
        (XL, "16:", "1344x768"),
        (XL, "16:9", "1344x768"),
        (XL, "squ", "1024x1024"),
        (XL, "SQUARE", "1024x1024"),
        (XL, "1344×768", "1344x768"),
        (XL, "wide", "1344x768 1536x640 1216x832 1152x896"),
        (XL, "land", "1344x768 1536x640 1216x832 1152x896"),
        (XL, "portr", "768x1344 640x1536 832x1216 896x1152"),
        (XL, "tall", "768x1344 640x1536 832x1216 896x1152"),
        (XL, "512x512", ""),
        (XL, "nonsense", ""),
        (BASIC, "square", "1024x1024 512x512"),
        (BASIC, "640x320", "640x320"),
        (BASIC, "0x0", ""),
        (BASIC, "641x320", ""),
        (BASIC, "4:3", "1280x960"),
    ],
)
def test_sizes_to_suggest(engine: Engine, text: str, sizes: str) -> None:
    assert sorted(map(str, sizes_for(engine, text))) == sorted(sizes.split())


@pytest.mark.parametrize(
    ("text", "best"),
    [("wide", "1344x768"), ("landscape", "1216x832"), ("phone", "768x1344"), ("portrait", "832x1216")],
)
def test_the_size_nearest_to_a_word_comes_first(text: str, best: str) -> None:
    assert str(sizes_for(XL, text)[0]) == best
    assert str(sizes_for(XL, text[:-1])[0]) == best


@given(st.text(max_size=12))
def test_any_text_suggests_only_supported_sizes(text: str) -> None:
    for engine in (XL, BASIC):
        found = sizes_for(engine, text)
        assert len(found) <= 25
        assert all(engine.takes_size(size) for size in found)


def test_sizes_in_a_sentence() -> None:
    assert str(size_text(Size(1024, 1024))) == "1024x1024 (square)"
    assert str(size_text(Size(1344, 768))) == "1344x768 (16:9)"
