"""The images: the requested picture, the painters, and the gallery for downloads."""

from __future__ import annotations

import asyncio
import hashlib
import random
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeAlias

from fakes.services import plain_files
from fakes.services.plain_files import Box, Rgb, png_chunk
from fakes.services.uploads import Upload


@dataclass(frozen=True, slots=True)
class Edit:
    """How a requested picture follows from an uploaded one.

    ``operation`` is ``image_to_image``, ``inpaint``, ``erase``, ``outpaint``, ``search_and_replace``, ``sketch``,
    ``structure``, ``upscale``, ``restore_faces`` or ``remove_background``. ``change`` is how much may change, from 0
    (nothing) to 1; ``search`` are the words for what is to be replaced; ``margins`` are the pixels added on the left,
    on the right, above and below. ``output`` is the type of the result: png, jpeg or webp.
    """

    operation: str
    source: Upload
    mask: Upload | None = None
    change: float = 0.5
    search: str = ""
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    output: str = "png"

    def dropped(self) -> Edit:
        """The same without the bytes of the uploads."""
        return replace(self, source=self.source.dropped(), mask=self.mask.dropped() if self.mask else None)


@dataclass(frozen=True, slots=True)
class Picture:
    """A requested picture; width and height, in pixels, are those of the result."""

    prompt: str
    negative: str
    style: str
    seed: int
    width: int
    height: int
    edit: Edit | None = None

    @property
    def operation(self) -> str:
        return self.edit.operation if self.edit else "text_to_image"

    @property
    def uploaded(self) -> int:
        """The bytes of the uploads that it holds."""
        edit = self.edit
        return 0 if edit is None else len(edit.source.data) + (len(edit.mask.data) if edit.mask else 0)


Painter: TypeAlias = Callable[[Picture], bytes]
"""Makes the bytes of a PNG. It runs in a thread; the same picture must give the same bytes."""

Alteration: TypeAlias = Callable[[bytes], bytes]
"""Turns a good picture into the bytes that are served instead."""


def painted(picture: Picture) -> bytes:
    """Paint the picture well; about a second for 1024x1024."""
    from fakes.painting import Wanted, edit, paint

    if (asked := picture.edit) is not None:
        wanted = Wanted(
            prompt=picture.prompt,
            size=(picture.width, picture.height),
            negative=picture.negative,
            style=picture.style,
            seed=picture.seed,
            mask=asked.mask.data if asked.mask else None,
            change=asked.change,
            margins=asked.margins,
        )
        return edit(asked.operation, asked.source.data, wanted, asked.output)
    return paint(
        picture.prompt,
        negative=picture.negative,
        style=picture.style,
        seed=picture.seed,
        size=(picture.width, picture.height),
    )


def flat(picture: Picture) -> bytes:
    """A valid image in one or two colours, in about a millisecond.

    Its description contains the prompt and the seed, and after an edit the operation and the digest of the source.
    After an edit, a PNG shows the operation: the colour of the source, and another where the picture changed.
    """
    if picture.edit is not None:
        return _flat_edit(picture, picture.edit)
    told = f"{picture.prompt} [{picture.seed}]"
    return plain_files.png(picture.width, picture.height, _colour(repr(picture)), text=told)


def _flat_edit(picture: Picture, edit: Edit) -> bytes:
    width, height = picture.width, picture.height
    told = f"{picture.prompt} [{picture.seed}] {edit.operation} of {edit.source.digest}"
    old, new = _colour(edit.source.digest), _colour(repr(picture))
    match edit.output:
        case "webp":
            return plain_files.webp(width, height, new, told)
        case "jpeg":
            return plain_files.jpeg(width, height, new, told)
    if edit.operation == "outpaint":
        return plain_files.png(width, height, new, old, _kept_box(picture, edit), told)
    if edit.operation in {"inpaint", "erase", "search_and_replace"}:
        box = (width // 4, height // 4, width - width // 4, height - height // 4)
        return plain_files.png(width, height, old, new, box, told)
    return plain_files.png(width, height, new, old, (0, 0, width, max(1, height // 8)), told)


def _kept_box(picture: Picture, edit: Edit) -> Box:
    """Where the source is in an extended picture."""
    left, right, up, down = edit.margins
    box = (left, up, picture.width - right, picture.height - down)
    if box[0] < box[2] and box[1] < box[3]:
        return box
    return (picture.width // 4, picture.height // 4, picture.width * 3 // 4, picture.height * 3 // 4)


def _colour(text: str) -> Rgb:
    red, green, blue = hashlib.blake2b(text.encode(), digest_size=3).digest()
    return red, green, blue


def noise(picture: Picture) -> bytes:
    """A valid PNG of noise: three bytes a pixel, since noise does not compress. As slow to encode as any picture."""
    rows, length = bytearray(), 3 * picture.width
    chance = random.Random(picture.seed)
    for _ in range(picture.height):
        rows += b"\0" + chance.randbytes(length)
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(rows, 0)),
            png_chunk(b"IEND", b""),
        )
    )


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture and the change to make to its bytes before it is served."""

    picture: Picture
    alter: Alteration | None = None

    def dropped(self) -> Plate:
        """An equal plate without the bytes of uploads."""
        edit = self.picture.edit
        return self if edit is None else replace(self, picture=replace(self.picture, edit=edit.dropped()))


class Gallery:
    """Paints in threads and keeps the latest results, at most ``budget`` bytes.

    A dropped result is painted again on demand: the same plate always gives the same bytes. The gallery keeps no
    uploads.
    """

    def __init__(self, painter: Painter, executor: Executor, budget: int = 256_000_000) -> None:
        self._painter = painter
        self._executor = executor
        self._budget = budget
        self._kept: OrderedDict[Plate, bytes] = OrderedDict()
        self._held = 0

    async def paint(self, plate: Plate) -> bytes:
        """The bytes of this picture."""
        if plate in self._kept:
            self._kept.move_to_end(plate)
            return self._kept[plate]
        data = await asyncio.get_running_loop().run_in_executor(self._executor, self._paint, plate)
        if plate not in self._kept:
            self._kept[plate.dropped()] = data
            self._held += len(data)
        while self._held > self._budget and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._held -= len(dropped)
        return data

    def _paint(self, plate: Plate) -> bytes:
        data = self._painter(plate.picture)
        return plate.alter(data) if plate.alter else data
