"""The table of the buttons and menus of a picture: every way to go on from it, and the format of their custom ids.

The rules of ``cards.buttons`` apply. The handlers are in ``ui.picture_panel``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.domain.pictures import Reference
from bot.text import Message, message
from bot.ui.cards.buttons import OPTIONS_IN_A_MENU

EDIT_A_PICTURE = message("picture.edit_a_picture", "Edit a picture")
IMAGE_NUMBER = message("picture.image_number", "Image {number}")


@dataclass(frozen=True, slots=True)
class PictureButton:
    """A button of the panel in which people edit a picture. ``name`` is used in its custom id and for its handler."""

    name: str
    label: Message
    style: discord.ButtonStyle = discord.ButtonStyle.secondary

    def on(self, reference: Reference, price: int | None = None, label: str | None = None) -> ui.Button[Any]:
        """The button for this picture. ``price`` in millicredits is what its label, or ``label``, names."""
        identity = picture_id(self.name, reference, price)
        return ui.Button(label=label or str(self.label), style=self.style, custom_id=identity)


def picture_id(name: str, reference: Reference | None = None, price: int | None = None) -> str:
    """The custom id of a picture's button, or of a menu of pictures."""
    return ":".join(str(part) for part in ("picture", name, reference, price) if part is not None)


VARY_LITTLE = PictureButton("vary-little", message("button.vary_little", "Vary a little"))
VARY_LOT = PictureButton("vary-lot", message("button.vary_lot", "Vary a lot"))
CHANGE_WORDS = PictureButton("words", message("button.change_words", "Change by words"))
CHANGE_PART = PictureButton("part", message("button.change_part", "Change a part"))
ERASE_PART = PictureButton("erase", message("button.erase_part", "Erase a part"))
EXTEND = PictureButton("extend", message("button.extend", "Extend"))
KEEP_STRUCTURE = PictureButton("structure", message("button.keep_structure", "Keep the structure"))
FROM_SKETCH = PictureButton("sketch", message("button.from_sketch", "From a sketch"))
USE_AS_START = PictureButton("start", message("button.use_as_start", "Use as start"))
UPSCALE = PictureButton("upscale", message("button.upscale", "Upscale"))
RESTORE_FACES = PictureButton("faces", message("button.restore_faces", "Restore faces"))
REMOVE_BACKGROUND = PictureButton("background", message("button.remove_background", "Remove background"))
FINISH = PictureButton("finish", message("button.finish", "Finish with {engine}"), style=discord.ButtonStyle.primary)
ORIGINAL = PictureButton("original", message("button.original", "Original file"))
WIDER = PictureButton("wider", message("button.wider", "Wider"))
TALLER = PictureButton("taller", message("button.taller", "Taller"))
ZOOM_OUT_LITTLE = PictureButton("zoom-15", message("button.zoom_out_little", "Zoom out 1.5x"))
ZOOM_OUT = PictureButton("zoom-20", message("button.zoom_out", "Zoom out 2x"))
MAKE_SQUARE = PictureButton("square", message("button.make_square", "Make square"))
BACK_TO_PICTURE = PictureButton("back", message("button.back_to_picture", "Back"))

PICTURE_BUTTONS = (
    VARY_LITTLE,
    VARY_LOT,
    CHANGE_WORDS,
    CHANGE_PART,
    ERASE_PART,
    EXTEND,
    KEEP_STRUCTURE,
    FROM_SKETCH,
    USE_AS_START,
    UPSCALE,
    RESTORE_FACES,
    REMOVE_BACKGROUND,
    FINISH,
    ORIGINAL,
    WIDER,
    TALLER,
    ZOOM_OUT_LITTLE,
    ZOOM_OUT,
    MAKE_SQUARE,
    BACK_TO_PICTURE,
)
OPEN_PICTURE, SWITCH_PICTURE = "open", "switch"
"""The menus of a result's images: one opens the panel, the other one is in the panel and shows another image in it."""
PICTURE_ACTIONS = (*(button.name for button in PICTURE_BUTTONS), OPEN_PICTURE, SWITCH_PICTURE)
"""The buttons and menus of a picture by name; each name has a handler."""


def images_menu(
    name: str, references: Sequence[Reference], *, chosen: Reference | None = None, hint: str | None = None
) -> ui.Select[Any]:
    """A menu of the images of a job, numbered from 1. ``hint`` is shown while none is ``chosen``."""
    options = [
        discord.SelectOption(label=str(IMAGE_NUMBER(number=number)), value=str(each), default=each == chosen)
        for number, each in enumerate(references, 1)
    ]
    return ui.Select(options=options[:OPTIONS_IN_A_MENU], placeholder=hint, custom_id=picture_id(name))
