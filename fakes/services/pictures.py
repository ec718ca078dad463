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
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Picture:
    """A requested picture; width and height in pixels."""

    prompt: str
    negative: str
    style: str
    seed: int
    width: int
    height: int


Painter: TypeAlias = Callable[[Picture], bytes]
"""Makes the bytes of a PNG. It runs in a thread; the same picture must give the same bytes."""

Alteration: TypeAlias = Callable[[bytes], bytes]
"""Turns a good picture into the bytes that are served instead."""


def painted(picture: Picture) -> bytes:
    """Paint the picture well; about a second for 1024x1024."""
    from fakes.painting import paint

    return paint(
        picture.prompt,
        negative=picture.negative,
        style=picture.style,
        seed=picture.seed,
        size=(picture.width, picture.height),
    )


def flat(picture: Picture) -> bytes:
    """A valid PNG in one colour, in about a millisecond; its text ``Description`` contains the prompt and the seed."""
    told = f"{picture.prompt} [{picture.seed}]".encode()
    colour = hashlib.blake2b(repr(picture).encode(), digest_size=3).digest()
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", colour),
            _chunk(b"iTXt", b"Description\0\0\0\0\0" + told),
            _chunk(b"IDAT", _blank_rows(picture.width, picture.height)),
            _chunk(b"IEND", b""),
        )
    )


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
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(rows, 0)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@lru_cache(maxsize=64)
def _blank_rows(width: int, height: int) -> bytes:
    return zlib.compress(bytes((width + 1) * height), 6)


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture and the change to make to its bytes before it is served."""

    picture: Picture
    alter: Alteration | None = None


class Gallery:
    """Paints in threads and keeps the latest results, at most ``budget`` bytes.

    A dropped result is painted again on demand: the same plate always gives the same bytes.
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
            self._kept[plate] = data
            self._held += len(data)
        while self._held > self._budget and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._held -= len(dropped)
        return data

    def _paint(self, plate: Plate) -> bytes:
        data = self._painter(plate.picture)
        return plate.alter(data) if plate.alter else data
