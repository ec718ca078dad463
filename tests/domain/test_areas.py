"""The part of a picture to repaint: reading, writing, and changing to another grid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.areas import GRIDS, Area

areas = st.sampled_from(GRIDS).flatmap(
    lambda side: st.builds(Area.of, st.just(side), st.sets(st.integers(1, side * side)))
)


@given(areas)
def test_digits_are_read_back(area: Area) -> None:
    assert Area.of_digits(area.side, area.digits) == area
    assert len(area.digits) == area.size // 4


@given(areas.filter(lambda area: bool(area.cells)))
def test_text_is_read_back(area: Area) -> None:
    assert Area.parse(str(area)) == area


@pytest.mark.parametrize(("side", "digits"), [(4, "10000"), (8, "1" + 16 * "0"), (5, "1"), (4, "x"), (4, "")])
def test_digits_of_no_area_are_refused(side: int, digits: str) -> None:
    with pytest.raises(ValueError, match=r"cell|int"):
        Area.of_digits(side, digits)


def test_a_cell_becomes_four_in_the_finer_grid() -> None:
    assert Area.of(4, [1, 16]).finer() == Area.of(8, [1, 2, 9, 10, 55, 56, 63, 64])
    assert Area.of(8, [3]).finer() == Area.of(8, [3])


@given(areas)
def test_a_finer_grid_and_back_is_the_same(area: Area) -> None:
    if area.finer().side != area.side:
        assert area.finer().coarser() == area


def test_a_coarser_grid_includes_cells_that_are_partly_marked() -> None:
    assert Area.of(8, [10, 64]).coarser() == Area.of(4, [1, 16])
    assert Area.of(4, [2]).coarser() == Area.of(4, [2])


@given(areas)
def test_an_area_and_its_inverse_are_the_whole_grid(area: Area) -> None:
    inverse = area.inverted()
    assert not area.cells & inverse.cells
    assert len(area.cells | inverse.cells) == area.size
