"""Fetches the images of a finished submission into files of our own, with patience: they are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import structlog

from bot.clock import Clock
from bot.jobs.polling import Doubt
from bot.jobs.store import KeptImage
from bot.providers.base import Cost, FetchedImage, Finished, GeneratedImage, Json, Provider, Size
from bot.providers.errors import NotFound, ProviderError, Refused, Unreachable
from storage.errors import Fault, StorageError
from storage.images import ImageFiles

log = structlog.get_logger(__name__)

PATIENCE = 600.0
"""Seconds for which an image is retried that may still come."""
# Seconds between two tries; the last one is repeated.
BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The images that are ours now, and why the others are not."""

    kept: tuple[KeptImage, ...]
    lost: tuple[ProviderError, ...]

    @property
    def fixable(self) -> Refused | None:
        """Why images did not come that the operator can bring with a setting, if there are any."""
        named = (error for error in self.lost if isinstance(error, Refused) and error.setting)
        return next(named, None)


def encode_result(finished: Finished, *, why: str = "") -> dict[str, Json] | None:
    """Where the images are and what they cost, as plain JSON; None where they came with the answer itself.

    ``why`` tells the operator why they could not be fetched.
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


async def fetch_images(
    provider: Provider, files: ImageFiles, clock: Clock, images: Sequence[GeneratedImage], stem: str
) -> Fetched:
    """Fetch them side by side, each into a file whose name begins with ``stem``. Raises StorageError."""

    async def fetch(position: int, image: GeneratedImage) -> KeptImage:
        name = f"{stem}-{position}"
        async with files.writing(name) as aside:
            try:
                fetched = await _patiently(provider, clock, image, aside)
            except OSError as error:
                # Providers turn the network's errors into their own, so it is the disk's.
                raise StorageError(Fault.FILES_UNUSABLE, path=aside.parent, reason=error.strerror) from error
            name = f"{name}.{EXTENSIONS[fetched.media_type]}"
            await files.keep(aside, name)
        return KeptImage(position=position, file=name, fetched=fetched, seed=image.seed, filtered=image.filtered)

    results = await asyncio.gather(*(fetch(*each) for each in enumerate(images)), return_exceptions=True)
    lost = []
    for error in results:
        if isinstance(error, ProviderError):
            lost.append(error)
        elif isinstance(error, BaseException):
            raise error
    return Fetched(tuple(image for image in results if isinstance(image, KeptImage)), tuple(lost))


async def _patiently(provider: Provider, clock: Clock, image: GeneratedImage, aside: Path) -> FetchedImage:
    """Fetch it, again and again while it may still come: it is paid for."""
    began = clock.monotonic()
    gone = Doubt(clock)
    for wait in chain(BACKOFF, repeat(BACKOFF[-1])):
        try:
            return await provider.fetch(image, aside)
        except (Unreachable, NotFound) as error:
            log.info("image.late", provider=provider.name, reason=error.reason.value, detail=error.detail)
            if isinstance(error, NotFound):
                if gone.seen():
                    raise
            else:
                gone.over()
                if clock.monotonic() + wait - began > PATIENCE:
                    raise
        await clock.sleep(wait)
    raise AssertionError("the waits never end")
