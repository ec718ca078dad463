"""The layout of family trees: nothing overlaps, everything is linked, and the drawing stays within its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.pictures.tree_layout import (
    ANCESTORS_AT_MOST,
    COLUMNS_AT_MOST,
    NODES_AT_MOST,
    ROWS_AT_MOST,
    Chosen,
    Layout,
    Place,
    chosen,
    laid_out,
)

pytestmark = pytest.mark.slow


@st.composite
def families(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """A line of ancestors that ends in the asked node, and descendants, each with its parent, by generation."""
    line = list(range(draw(st.integers(1, 20))))
    asked = line[-1]
    generations = {asked: 0}
    pairs = []
    for number in range(draw(st.integers(0, 70))):
        node = 100 + number
        parent = draw(st.sampled_from(sorted(generations)))
        generations[node] = generations[parent] + 1
        pairs.append((node, parent))
    return line, sorted(pairs, key=lambda pair: (generations[pair[0]], pair[0]))


def rows(layout: Layout) -> list[list[float]]:
    """The columns of the nodes of each row, from left to right."""
    return [sorted(place.column for place in layout.places.values() if place.row == row) for row in range(layout.rows)]


@given(families())
def test_any_family_fits(family: tuple[list[int], list[tuple[int, int]]]) -> None:
    line, pairs = family
    found = chosen(line, pairs)
    assert line[-1] in found.nodes
    assert found.root == line[0]
    assert len(set(found.nodes)) == len(found.nodes) <= NODES_AT_MOST
    # Each node is drawn or counted.
    assert len(found.nodes) + found.skipped + sum(found.omitted.values()) == len(line) + len(pairs)
    layout = laid_out(found.children, found.root)
    assert layout.places.keys() == set(found.nodes)
    assert layout.columns <= COLUMNS_AT_MOST
    assert layout.rows <= ROWS_AT_MOST
    for row in rows(layout):
        assert row
        assert row[0] >= 0.5
        assert row[-1] <= layout.columns - 0.5
        assert all(right - left >= 1 for left, right in pairwise(row))


@given(families())
def test_each_node_is_linked_to_the_node_that_it_was_made_from(
    family: tuple[list[int], list[tuple[int, int]]],
) -> None:
    found = chosen(*family)
    layout = laid_out(found.children, found.root)
    links = sorted((link.of, node) for link in layout.links for node in link.to)
    assert links == sorted((above, node) for above, below in found.children.items() for node in below)
    for link in layout.links:
        for node in link.to:
            assert layout.places[node].row == link.row
        above = layout.places[link.of]
        if link.across:
            assert [layout.places[node] for node in link.to] == [Place(above.column + 1, above.row)]
        else:
            assert link.row > above.row
        if link.trunk is not None:
            # The line passes between the nodes of the rows above its own.
            for place in layout.places.values():
                if above.row < place.row < link.row:
                    assert abs(place.column - link.trunk) >= 0.5


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [1]), (2, [2]), (4, [4]), (5, [3, 2]), (8, [4, 4]), (9, [3, 3, 3]), (12, [4, 4, 4])],
)
def test_an_unbranched_start_is_read_like_text(length: int, expected: Sequence[int]) -> None:
    found = chosen(list(range(length)), [])
    layout = laid_out(found.children, found.root)
    assert [len(row) for row in rows(layout)] == expected
    order = sorted(layout.places, key=lambda node: (layout.places[node].row, layout.places[node].column))
    assert order == list(range(length))


def test_many_ancestors_are_skipped_between_the_first_and_the_nearest() -> None:
    found = chosen(list(range(30)), [])
    assert found.nodes == [0, *range(30 - ANCESTORS_AT_MOST, 30)]
    assert found.skipped == 30 - ANCESTORS_AT_MOST - 1


def test_many_variations_of_one_image_share_a_block() -> None:
    found = chosen([1], [(node, 1) for node in range(2, 12)])
    layout = laid_out(found.children, 1)
    assert [len(row) for row in rows(layout)] == [1, 4, 4, 2]
    assert layout.columns == 4


def test_what_is_not_drawn_is_counted_where_it_would_be() -> None:
    wide = [(100 * parent + number, parent) for parent in range(2, 9) for number in range(9)]
    found = chosen([1], [*((node, 1) for node in range(2, 9)), *wide])
    assert isinstance(found, Chosen)
    assert sum(found.omitted.values()) == 1 + 7 + len(wide) - len(found.nodes)
    assert set(found.omitted) <= set(found.nodes)


def test_the_descendants_of_what_is_not_drawn_count_for_the_nearest_drawn_one() -> None:
    many = [(node, 1) for node in range(2, 60)]
    found = chosen([1], [*many, (100, 59), (101, 100)])
    assert 59 not in found.nodes
    assert found.omitted == {1: len(many) + 2 + 1 - len(found.nodes)}
