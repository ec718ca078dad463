"""A scripted provider that records its calls."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Self

from bot.providers.base import (
    Ability,
    Bounds,
    Cost,
    Engine,
    FetchedImage,
    Finished,
    GeneratedImage,
    Gone,
    Handle,
    ImageRequest,
    PollResult,
    Provider,
    Quote,
    Waiting,
)
from bot.providers.errors import ProviderError
from bot.providers.operations import Operation, PictureRules, Pictures, Size
from bot.providers.settings import SettingsReader

TINY = Size(8, 8)


def png(seed: int = 0, size: Size = TINY) -> bytes:
    """A small valid PNG of one colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" + bytes([seed % 256, seed // 256 % 256, 128]) * size.width
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", size.width, size.height, 8, 2, 0, 0, 0)),
            chunk(b"IDAT", zlib.compress(row * size.height)),
            chunk(b"IEND", b""),
        )
    )


def finished(*, images: int = 1, millicredits: int = 5000, exact: bool = True) -> Finished:
    return Finished(
        tuple(GeneratedImage(data=png(number), seed=number, size=TINY) for number in range(images)),
        Cost(millicredits, exact),
    )


EDITS = tuple(operation for operation in Operation if operation.has_source)
"""All operations that start from a picture."""


def _edits(engine: Engine, operation: Operation) -> Engine:
    """The engine as it is for an operation that starts from a picture."""
    seed = frozenset(engine.abilities & {Ability.SEED}) if operation.has_variants else frozenset[Ability]()
    if operation is Operation.IMAGE_TO_IMAGE:
        return replace(
            engine,
            abilities=engine.abilities | {Ability.STRENGTH},
            strength=Bounds(0, 100, 65),
            operation=operation,
            picture=PictureRules(exact=True),
        )
    controlled = operation in {Operation.SKETCH, Operation.STRUCTURE}
    worded = operation in {Operation.INPAINT, Operation.SEARCH_AND_REPLACE} or controlled
    return replace(
        engine,
        abilities=seed | ({Ability.NEGATIVE} if worded else set()) | ({Ability.STRENGTH} if controlled else set()),
        sizes=(),
        styles=(),
        weights=None,
        strength=Bounds(0, 100, 70) if controlled else None,
        images_per_submission=1,
        operation=operation,
        picture=PictureRules(),
        scales=(2, 4) if operation is Operation.UPSCALE else (),
    )


class ScriptedProvider(Provider):
    """A provider whose calls return the answers from :meth:`enqueue` in order, or else a simple success.

    An answer is a value to return, an exception to raise, or an event to wait for before the next answer. ``edits`` are
    its engine's operations besides making images from words, and ``price`` is what an image costs, in millicredits.
    """

    name = "scripted"
    label = "Scripted"

    def __init__(
        self,
        *,
        polled: bool = True,
        images_per_submission: int = 10,
        name: str = "scripted",
        edits: Collection[Operation] = (),
        price: int = 5000,
    ) -> None:
        self.provider_name = name
        brush = Engine(
            id=f"{name}/brush",
            name="Brush",
            abilities=frozenset({Ability.SEED, Ability.STYLE, Ability.WEIGHTS, Ability.NEGATIVE}),
            sizes=(Size(512, 512), Size(1024, 1024)),
            default_size=Size(512, 512),
            images_per_submission=images_per_submission,
            prompt_limit=2000,
            styles=("plain",),
            seed=Bounds(0, 2**32 - 2),
            weights=Bounds(-10, 10),
        )
        self.retired: set[str] = set()
        self.engines = (replace(brush, others=tuple(_edits(brush, operation) for operation in edits)),)
        self.price = price
        self.credit_value = Decimal(1)
        self.rate = 1000.0
        self.jobs = 100
        self.polled = polled
        self.finds_lost_submits = polled
        self.history: list[tuple[str, Handle | None]] = []
        self.requests: list[ImageRequest] = []
        self.pictures: list[Pictures | None] = []
        """The pictures of each request. Their files are deleted after the request."""
        self.closed = False
        self._answers: dict[str, deque[object]] = defaultdict(deque)
        self._numbers = count(1)
        self._images: dict[int, int] = {}
        self._called: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def enqueue(self, call: str, *answers: object) -> None:
        self._answers[call].extend(answers)

    def calls(self, call: str) -> int:
        return sum(name == call for name, _ in self.history)

    async def called(self, call: str) -> None:
        """Wait until this method has been called."""
        await self._called[call].wait()

    async def _next(self, call: str, handle: Handle | None) -> object | None:
        self.history.append((call, handle))
        self._called[call].set()
        answers = self._answers[call]
        while answers:
            answer = answers.popleft()
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                continue
            if isinstance(answer, BaseException):
                raise answer
            return answer
        return None

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        return cls() if settings.secret("SCRIPTED_KEY") else None

    def quote(self, request: ImageRequest) -> Quote:
        price = self.price * request.images
        return Quote(low=price, high=price, hold=price, exact=True)

    async def prepare(self, request: ImageRequest) -> Handle:
        await self._next("prepare", None)
        number = next(self._numbers)
        self._images[number] = request.images
        return {"number": number}

    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        self.requests.append(request)
        self.pictures.append(pictures)
        answer = await self._next("submit", handle)
        if isinstance(answer, Finished):
            return answer
        if not self.polled:
            return finished(images=request.images, millicredits=self.price * request.images)
        return {**handle, "sent": True}

    async def find(self, handle: Handle) -> Handle | None:
        answer = await self._next("find", handle)
        return {**handle, "sent": True} if answer == "found" else None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        answer = await self._next("poll", handle)
        if answer is not None:
            assert isinstance(answer, PollResult)
            return answer
        number = handle["number"]
        assert isinstance(number, int)
        images = self._images.get(number, 1)
        return finished(images=images, millicredits=self.price * images)

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        await self._next("fetch", None)
        data = image.data or png()
        await asyncio.to_thread(path.write_bytes, data)
        return FetchedImage("image/png", TINY, len(data))

    async def check(self) -> ProviderError | None:
        return None

    async def close(self) -> None:
        self.closed = True


__all__ = ["EDITS", "Gone", "ScriptedProvider", "Waiting", "finished", "png"]
