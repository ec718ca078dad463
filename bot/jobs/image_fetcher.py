"""Bringing the images of a finished submission into files of our own, with patience: they are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import structlog

from bot.clock import Clock
from bot.jobs.poll_status import Doubt
from bot.jobs.store import KeptImage
from bot.providers.base import (
    Cost,
    FetchedImage,
    Finished,
    GeneratedImage,
    Json,
    NotFound,
    Provider,
    ProviderError,
    Refused,
    Size,
    Unreachable,
)
from storage.errors import StorageError
from storage.images import ImageFiles

log = structlog.get_logger(__name__)

PATIENCE = 600.0
"""Seconds for which an image is asked for that may still come."""
# Waits between two tries, in seconds; the last one is repeated.
BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The images that are ours now, and why the others are not."""

    kept: tuple[KeptImage, ...]
    lost: tuple[ProviderError, ...]

    @property
    def reasons(self) -> str:
        """Why images are missing: each reason once, safe to show; "" where none is known."""
        return " ".join(dict.fromkeys(error.message for error in self.lost))

    @property
    def mendable(self) -> Refused | None:
        """Why images did not come that the operator can bring with a setting, if that is so."""
        named = (error for error in self.lost if isinstance(error, Refused) and error.setting)
        return next(named, None)


def encode_result(finished: Finished, *, why: str = "") -> dict[str, Json] | None:
    """Where the images are and what they cost, as plain JSON; None where they came with the answer itself.

    ``why`` tells the operator what stood in the way of fetching them.
    """
    if any(image.url is None for image in finished.images):
        return None
    images: list[Json] = [
        {
            "url": image.url,
            "seed": image.seed,
            "filtered": image.filtered,
            "size": str(image.size) if image.size else None,
            "bytes": image.expected_bytes,
        }
        for image in finished.images
    ]
    cost = finished.cost
    return {"images": images, "cost": cost.millicredits, "exact": cost.exact, "beyond": finished.beyond, "why": why}


def decode_result(stored: dict[str, Any]) -> Finished:
    """The result as it was before it was encoded."""
    images = tuple(
        GeneratedImage(
            url=image["url"],
            seed=image["seed"],
            filtered=image["filtered"],
            size=Size.parse(image["size"]) if image["size"] else None,
            expected_bytes=image["bytes"],
        )
        for image in stored["images"]
    )
    return Finished(images, Cost(stored["cost"], stored["exact"]), stored["beyond"])


class Gatherer:
    """Fetches the images of one provider."""

    def __init__(self, provider: Provider, files: ImageFiles, clock: Clock) -> None:
        self._provider = provider
        self._files = files
        self._clock = clock

    async def gather(self, images: Sequence[GeneratedImage], stem: str) -> Gathered:
        """Fetch them side by side, each into a file whose name begins with ``stem``. Raises StorageError."""
        fetches = (self._fetch(position, image, f"{stem}-{position}") for position, image in enumerate(images))
        fetched = await asyncio.gather(*fetches, return_exceptions=True)
        lost = []
        for error in fetched:
            if isinstance(error, ProviderError):
                lost.append(error)
            elif isinstance(error, BaseException):
                raise error
        return Gathered(tuple(image for image in fetched if isinstance(image, KeptImage)), tuple(lost))

    async def _fetch(self, position: int, image: GeneratedImage, stem: str) -> KeptImage:
        async with self._files.writing(stem) as aside:
            try:
                fetched = await self._patiently(image, aside)
            except OSError as error:
                # Providers keep the network's errors to themselves, so it is the disk's.
                raise StorageError(f"The image files cannot be written: {error.strerror}.") from error
            name = f"{stem}.{EXTENSIONS[fetched.media_type]}"
            await self._files.keep(aside, name)
        return KeptImage(position=position, file=name, fetched=fetched, seed=image.seed, filtered=image.filtered)

    async def _patiently(self, image: GeneratedImage, aside: Path) -> FetchedImage:
        began = self._clock.monotonic()
        gone = Doubt(self._clock)
        for wait in chain(BACKOFF, repeat(BACKOFF[-1])):
            try:
                return await self._provider.fetch(image, aside)
            except NotFound as error:
                log.info("image.late", provider=self._provider.name, detail=error.detail)
                if gone.seen():
                    raise
            except Unreachable as error:
                log.info("image.late", provider=self._provider.name, detail=error.detail)
                gone.over()
                if self._clock.monotonic() + wait - began > PATIENCE:
                    raise
            await self._clock.sleep(wait)
        raise AssertionError("the waits never end")
