"""The card in which people mark a part of a picture: the picture under a numbered grid, and menus of its cells.

The table of its buttons is in ``part_buttons``, and their handlers are in ``ui.part_picker``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.domain.areas import GRIDS, Area
from bot.domain.edits import NAMES
from bot.jobs.picture_tools import EditedPicture, Offer
from bot.providers.operations import Operation
from bot.text import message, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import in_rows
from bot.ui.cards.layout import Card, facts, heading, quiet, text
from bot.ui.cards.part_buttons import CHANGE, CLEAR, COARSER, ERASE, FINER, INVERT, MARK, Marking
from bot.ui.cards.picture_buttons import BACK_TO_PICTURE
from bot.ui.cards.picture_panel import title

PICK_TO_CHANGE = message("part.pick_to_change", "Pick the cells that should change.")
PICK_TO_ERASE = message("part.pick_to_erase", "Pick the cells with what should go.")
MARKED = message("part.marked", "{marked} of {all} cells · {percent}% of the picture")
ALL_MARKED = message("part.all_marked", "Everything is marked. To erase, leave at least one cell out.")

GRID_PICTURE = "grid.jpg"
"""The name of the picture's file."""
MENU_SIDE = GRIDS[0]
"""The rows and columns of cells in one menu. Larger grids have several menus, since a menu has 25 options at most."""
_CORNERS = (t("Top left"), t("Top right"), t("Bottom left"), t("Bottom right"))
_MENU_IDS = 1000
# Three short labels, one of them with a price.
_ROOM = 42
_STARTING = {Operation.INPAINT: CHANGE, Operation.ERASE: ERASE}


def menu_cells(side: int) -> list[list[int]]:
    """The cells of each menu of a grid: square blocks of the grid, row by row."""
    starts = range(0, side, MENU_SIDE)
    return [
        [1 + (top + row) * side + left + column for row in range(MENU_SIDE) for column in range(MENU_SIDE)]
        for top in starts
        for left in starts
    ]


def picker_sheet(picture: EditedPicture, marking: Marking, drawing: bytes, offers: Sequence[Offer]) -> Sheet:
    """The card. ``drawing`` is the picture under the grid as JPEG, and ``offers`` are the ways to go on from here."""
    area = marking.area
    gallery: ui.MediaGallery[Any] = ui.MediaGallery(
        discord.MediaGalleryItem(
            f"attachment://{GRID_PICTURE}",
            description=_alt_text(picture, area),
            # Nobody marks cells in a picture that they cannot see. The card is private.
            spoiler=picture.spoiler and not area.cells,
        )
    )
    grids = GRIDS.index(area.side)
    buttons = [
        CLEAR.on(marking, disabled=not area.cells),
        INVERT.on(marking, disabled=not area.cells),
        *([FINER.on(marking)] if grids + 1 < len(GRIDS) else []),
        *([COARSER.on(marking)] if grids else []),
    ]
    everything = len(area.cells) == area.size
    starting = [
        _STARTING[offer.tool.operation].priced(
            marking,
            offer,
            primary=offer.tool.operation is marking.operation,
            disabled=not area.cells or (everything and offer.tool.operation is Operation.ERASE),
        )
        for offer in sorted(offers, key=lambda offer: offer.tool.operation is not marking.operation)
    ]
    starting.append(BACK_TO_PICTURE.on(marking.reference))
    rows = [*_menus(marking), *_rows(buttons), *_rows(starting)]
    about = facts(title(picture), str(picture.source.size))
    card = Card(text(heading(NAMES[marking.operation]), quiet(about)), gallery, text(quiet(_hint(marking))), *rows)
    return Sheet(card, ((GRID_PICTURE, drawing),))


def _hint(marking: Marking) -> str:
    """How much is marked, or what to do if nothing is."""
    area, erase = marking.area, marking.operation is Operation.ERASE
    if not area.cells:
        return str(PICK_TO_ERASE if erase else PICK_TO_CHANGE)
    if erase and len(area.cells) == area.size:
        return str(ALL_MARKED)
    percent = round(100 * len(area.cells) / area.size)
    return str(MARKED(marked=len(area.cells), all=area.size, percent=max(1, percent)))


def _menus(marking: Marking) -> list[ui.ActionRow[Any]]:
    """A menu for each block of cells, in which several cells can be chosen, or none."""
    area = marking.area
    blocks = menu_cells(area.side)
    rows = []
    for number, cells in enumerate(blocks):
        options = [
            discord.SelectOption(
                label=str(cell),
                value=str(cell),
                # In a menu of a part of the grid, it is harder to find a cell.
                description=str(t("Row {row}", row=(cell - 1) // area.side + 1)) if len(blocks) > 1 else None,
                default=cell in area.cells,
            )
            for cell in cells
        ]
        menu: ui.Select[Any] = ui.Select(
            options=options,
            min_values=0,
            max_values=len(options),
            placeholder=str(_CORNERS[number] if len(blocks) > 1 else t("Cells")),
            custom_id=marking.custom_id(MARK, number),
            id=_menu_id(area, number),
        )
        rows.append(ui.ActionRow(menu))
    return rows


def _menu_id(area: Area, number: int) -> int:
    """The component id of a menu. It changes with the area, because apps may keep an earlier choice by this id."""
    return _MENU_IDS + zlib.crc32(f"{area.side}{area.digits}".encode()) % 10**8 * 10 + number


def _rows(buttons: Sequence[ui.Button[Any]]) -> list[ui.ActionRow[Any]]:
    places = in_rows([button.label or "" for button in buttons], room=_ROOM)
    return [ui.ActionRow(*(buttons[place] for place in row)) for row in places]


def _alt_text(picture: EditedPicture, area: Area) -> str:
    cells = ", ".join(map(str, sorted(area.cells)))
    grid = t("under a grid of {side} by {side} cells", side=area.side)
    return f"{title(picture)} {grid}" + (f": {cells}" if cells else "")
