"""Where the nodes of a family tree go in its drawing. Pure functions: columns and rows, no pixels.

An unbranched start of the tree is laid out like a line of text, from left to right and in several rows if necessary.
Where the tree branches, generations follow each other downwards. Many siblings without descendants share a block of
several rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

NODES_AT_MOST = 40
COLUMNS_AT_MOST = 6
ROWS_AT_MOST = 10
ANCESTORS_AT_MOST = 11
"""The maximum number of ancestors that are drawn: the first one, and the nearest ones."""
ACROSS = 4
"""The number of nodes in a row of an unbranched start, and of a block of siblings."""


@dataclass(frozen=True, slots=True)
class Place:
    """The cell of a node: the column of its centre, counted from 0.5 for the leftmost one, and its row, from 0."""

    column: float
    row: int


@dataclass(frozen=True, slots=True)
class Link:
    """A line from a node to ``to``, nodes of the row ``row``.

    It runs from the node's right side if ``to`` is its neighbour, and otherwise from below it to a rail above that row.
    ``trunk`` is the column at which it goes down past other rows, between the nodes; None if it need not.
    """

    of: int
    to: tuple[int, ...]
    row: int
    trunk: float | None = None
    across: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the nodes by their number, the lines between them, and the size in columns and rows."""

    places: Mapping[int, Place]
    links: Sequence[Link]
    columns: float
    rows: int


@dataclass(slots=True)
class _Block:
    """A part of the drawing. ``inlet`` is the column at which its top is linked to its parent."""

    columns: float = 0
    rows: int = 0
    inlet: float = 0
    places: dict[int, Place] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    def add(self, other: _Block, column: float, row: int) -> None:
        """Put another block into this one. Its top left corner gets this column and row."""
        for node, place in other.places.items():
            self.places[node] = Place(place.column + column, place.row + row)
        for link in other.links:
            trunk = None if link.trunk is None else link.trunk + column
            self.links.append(Link(link.of, link.to, link.row + row, trunk, link.across))
        self.columns = max(self.columns, column + other.columns)
        self.rows = max(self.rows, row + other.rows)


def laid_out(children: Mapping[int, Sequence[int]], root: int) -> Layout:
    """Lay out the tree below ``root``. ``children`` are the nodes below each node, in their order."""
    start = [root]
    while len(below := children.get(start[-1], ())) == 1:
        start.append(below[0])
    whole = _strip(start)
    if below:
        last = whole.places[start[-1]]
        branches, links = _branches(start[-1], below, children)
        offset = last.column - branches.inlet
        # The wider of the two fills the width, and the other one comes as close to the link as there is room.
        if branches.columns >= whole.columns:
            shift = min(max(0.0, -offset), branches.columns - whole.columns)
            moved = _Block()
            moved.add(whole, shift, 0)
            whole, offset = moved, 0.0
        else:
            offset = min(max(0.0, offset), whole.columns - branches.columns)
        branches.links += links
        whole.add(branches, offset, whole.rows)
    return Layout(whole.places, whole.links, whole.columns, whole.rows)


def _strip(nodes: Sequence[int]) -> _Block:
    """The unbranched start, as rows that are read like text."""
    rows, across = _grid(len(nodes))
    block = _Block(columns=across, rows=rows)
    for number, node in enumerate(nodes):
        row, column = divmod(number, across)
        block.places[node] = Place(column + 0.5, row)
        if number:
            block.links.append(Link(nodes[number - 1], (node,), row, across=column > 0))
    return block


def _grid(count: int) -> tuple[int, int]:
    """The numbers of rows and of columns for so many nodes."""
    rows = -(-count // ACROSS)
    return rows, -(-count // rows)


def _branches(parent: int, nodes: Sequence[int], children: Mapping[int, Sequence[int]]) -> tuple[_Block, list[Link]]:
    """The blocks below ``parent`` side by side, and the links to them."""
    ends = [node for node in nodes if not children.get(node)]
    gathered = len(ends) > ACROSS
    parts = [_below(node, children) for node in nodes if not gathered or children.get(node)]
    links: list[Link] = []
    row = _Block()
    tops = []
    for part in parts:
        tops.append(row.columns + part.inlet)
        row.add(part, row.columns, 0)
    if gathered:
        block, links = _siblings(parent, ends, row.columns)
        tops.append(row.columns + block.inlet)
        row.add(block, row.columns, 0)
    first = tuple(node for node in nodes if node in row.places and row.places[node].row == 0)
    row.inlet = (tops[0] + tops[-1]) / 2
    return row, [Link(parent, first, 0), *links]


def _siblings(parent: int, nodes: Sequence[int], column: float) -> tuple[_Block, list[Link]]:
    """Many nodes without descendants as a block that starts at this column, and the links to all rows but the first."""
    rows, across = _grid(len(nodes))
    block = _Block(columns=across, rows=rows, inlet=across / 2)
    links = []
    for row in range(rows):
        some = nodes[row * across : (row + 1) * across]
        # The last row may be shorter. It is centred.
        indent = (across - len(some)) / 2
        for number, node in enumerate(some):
            block.places[node] = Place(indent + number + 0.5, row)
        if row:
            links.append(Link(parent, tuple(some), row, trunk=column + across // 2))
    return block, links


def _below(node: int, children: Mapping[int, Sequence[int]]) -> _Block:
    """The block of a node with its descendants below it."""
    nodes = children.get(node, ())
    if not nodes:
        return _Block(columns=1, rows=1, inlet=0.5, places={node: Place(0.5, 0)})
    branches, links = _branches(node, nodes, children)
    branches.links += links
    block = _Block(inlet=branches.inlet)
    block.places[node] = Place(branches.inlet, 0)
    block.add(branches, 0, 1)
    return block


@dataclass(frozen=True, slots=True)
class Chosen:
    """The nodes of a tree that are drawn.

    ``children`` are the drawn nodes below each node, and ``root`` is the first drawn node. ``omitted`` counts, for each
    drawn node, its descendants that are not drawn although it is their nearest drawn ancestor. ``skipped`` counts the
    omitted ancestors. They are between the first one and its only drawn child.
    """

    root: int
    children: Mapping[int, Sequence[int]]
    omitted: Mapping[int, int]
    skipped: int = 0

    @property
    def nodes(self) -> list[int]:
        """The drawn nodes, ancestors first."""
        return [self.root, *(node for below in self.children.values() for node in below)]


def chosen(line: Sequence[int], descendants: Iterable[tuple[int, int]]) -> Chosen:
    """Choose the nodes that are drawn.

    ``line`` is the asked node, after its ancestors from the first to the nearest one. ``descendants`` are pairs of a
    node and its parent, generation by generation; a parent precedes its children.
    """
    *ancestors, asked = line
    skipped = max(0, len(ancestors) - ANCESTORS_AT_MOST)
    kept = [*ancestors[:1], *ancestors[1 + skipped :], asked]
    children: dict[int, list[int]] = {above: [below] for above, below in pairwise(kept)}
    drawn = {asked: asked}
    omitted: dict[int, int] = {}
    for node, parent in descendants:
        nearest = drawn[parent]
        if nearest == parent and _fits(children, kept[0], parent, node):
            drawn[node] = node
            continue
        drawn[node] = nearest
        omitted[nearest] = omitted.get(nearest, 0) + 1
    return Chosen(kept[0], children, omitted, skipped)


def _fits(children: dict[int, list[int]], root: int, parent: int, node: int) -> bool:
    """Add the node if the drawing stays within its bounds. Returns whether it does."""
    if sum(map(len, children.values())) + 2 > NODES_AT_MOST:
        return False
    below = children.setdefault(parent, [])
    below.append(node)
    found = laid_out(children, root)
    fits = found.columns <= COLUMNS_AT_MOST and found.rows <= ROWS_AT_MOST
    if not fits:
        below.pop()
        if not below:
            del children[parent]
    return fits
