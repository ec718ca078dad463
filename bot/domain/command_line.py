"""The command that repeats a job when it is pasted into Discord."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.characters import clean
from bot.domain.options import FIELDS, ImagineOptions
from bot.domain.pictures import ImageReference, SourcePicture, StoredReference
from bot.domain.requests import as_typed
from bot.domain.values import value_text
from bot.providers.operations import Operation

EDIT_COMMANDS: Mapping[Operation, str] = {
    Operation.IMAGE_TO_IMAGE: "vary",
    Operation.SEARCH_AND_REPLACE: "words",
    Operation.INPAINT: "part",
    Operation.ERASE: "erase",
    Operation.OUTPAINT: "extend",
    Operation.SKETCH: "sketch",
    Operation.STRUCTURE: "structure",
    Operation.UPSCALE: "upscale",
    Operation.RESTORE_FACES: "faces",
    Operation.REMOVE_BACKGROUND: "background",
}
"""The subcommand of /edit for each operation that starts from a picture."""

_NAMES = {"search": "find", "extend": "by"}
"""The options of /edit that have another name than their field."""


def command_line(options: ImagineOptions, *, image: ImageReference | None = None) -> str:
    """The command that repeats this when pasted into Discord, without the thread, which is personal.

    ``image`` is the image from which it starts, if it is known. Otherwise the command refers to the stored picture,
    which only the author can use.
    """
    options = as_typed(options)
    words = [_command(options)]
    if options.source is not None:
        words.append(f"image:{image or reference(options.source)}")
    for name in FIELDS:
        value = getattr(options, name)
        if value is None or value is False or value == "" or name == "thread":
            continue
        if isinstance(value, tuple):
            value = ", ".join(value)
        text = value_text(value) if isinstance(value, float) else " ".join(clean(str(value)).split())
        words.append(f"{_NAMES.get(name, name)}:{text}")
    if options.fit is not None:
        words.append(f"fit:{options.fit}")
    return " ".join(words)


def reference(source: SourcePicture) -> str:
    """The name of a stored picture in commands. It is the same for each command that starts from it."""
    return str(StoredReference(source.id))


def _command(options: ImagineOptions) -> str:
    if options.engines is not None:
        return "/compare"
    subcommand = EDIT_COMMANDS.get(options.operation)
    return "/imagine" if subcommand is None else f"/edit {subcommand}"
