"""Downloads the images of a finished submission to local files, with many retries because they are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import structlog

from bot.clock import Clock
from bot.jobs.polling import Doubt, alarm
from bot.jobs.provider_text import MISSING_IMAGES, provider_text
from bot.providers.base import Cost, FetchedImage, Finished, GeneratedImage, ImageRequest, Json, Provider
from bot.providers.errors import NotFound, ProviderError, Refused, Unreachable
from bot.providers.operations import Operation, Size
from bot.text import Text, message
from storage.errors import Fault, StorageError
from storage.images import ImageFiles, NewImage

log = structlog.get_logger(__name__)

PATIENCE = 600.0
"""Seconds for which a download is retried if it may still succeed."""
# Seconds between two attempts; the last value is repeated.
BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

RESHAPED = message("images.reshaped", "The service made it in another shape than you asked.")
EXTENDED_DIFFERENTLY = message("images.extended_differently", "The service extended it differently than you asked.")

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image with a stored file: its name in the image folder and its facts."""

    position: int
    file: str
    fetched: FetchedImage
    seed: int | None
    filtered: bool

    @property
    def row(self) -> NewImage:
        """The record to add to the database."""
        return NewImage(
            position=self.position,
            file=self.file,
            media_type=self.fetched.media_type,
            width=self.fetched.size.width,
            height=self.fetched.size.height,
            bytes=self.fetched.bytes,
            seed=self.seed,
            filtered=self.filtered,
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """The downloaded images, and the errors of the others."""

    kept: tuple[KeptImage, ...]
    lost: tuple[ProviderError, ...]

    @property
    def fixable(self) -> Refused | None:
        """The error of a missing image that the operator can still get by changing a setting, if there is one."""
        named = (error for error in self.lost if isinstance(error, Refused) and error.setting)
        return next(named, None)


def encode_result(finished: Finished, *, why: str = "") -> dict[str, Json] | None:
    """Encode the URLs and the cost of the images as plain JSON. Returns None if the images came with the response.

    ``why`` tells the operator why they could not be fetched.
    """
    if any(image.url is None for image in finished.images):
        return None
    images: list[Json] = [
        {
            "url": image.url,
            "seed": image.seed,
            "filtered": image.filtered,
            "reshaped": image.reshaped,
            "size": str(image.size) if image.size else None,
            "bytes": image.expected_bytes,
        }
        for image in finished.images
    ]
    cost = finished.cost
    return {"images": images, "cost": cost.millicredits, "exact": cost.exact, "beyond": finished.beyond, "why": why}


def decode_result(stored: dict[str, Any]) -> Finished:
    """Decode what :func:`encode_result` returned."""
    images = tuple(
        GeneratedImage(
            url=image["url"],
            seed=image["seed"],
            filtered=image["filtered"],
            reshaped=image.get("reshaped", False),
            size=Size.parse(image["size"]) if image["size"] else None,
            expected_bytes=image["bytes"],
        )
        for image in stored["images"]
    )
    return Finished(images, Cost(stored["cost"], stored["exact"]), stored["beyond"])


def remarks(request: ImageRequest, finished: Finished) -> list[Text]:
    """Return a text if the service made the images in another shape than the request asked for."""
    if not any(image.reshaped for image in finished.images):
        return []
    return [EXTENDED_DIFFERENTLY() if request.operation is Operation.OUTPAINT else RESHAPED()]


def missing_images(request: ImageRequest, fetched: Fetched, problems: Sequence[Text]) -> list[Text]:
    """Return how many images are missing, and the ``problems`` that are the reasons; nothing if none is missing."""
    missing = request.images - len(fetched.kept)
    return [MISSING_IMAGES(count=missing, asked=request.images), *problems] if missing > 0 else []


async def fetch_images(
    provider: Provider, files: ImageFiles, clock: Clock, images: Sequence[GeneratedImage], stem: str
) -> Fetched:
    """Fetch all images concurrently, each into a file whose name begins with ``stem``. Raises StorageError."""

    async def fetch(position: int, image: GeneratedImage) -> KeptImage:
        name = f"{stem}-{position}"
        async with files.writing(name) as aside:
            try:
                fetched = await _patiently(provider, clock, image, aside)
            except OSError as error:
                # Providers convert network errors into their own, so this is a disk error.
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
    """Fetch an image, and retry while it may still succeed: the image is paid for."""
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


def lost_images(provider: Provider, fetched: Fetched) -> list[Text]:
    """Log the images that could not be fetched, and return the reasons for their author, each once."""
    for error in fetched.lost:
        log.warning("image.lost", provider=provider.name, reason=error.reason.value, detail=error.detail)
        alarm(provider, error)
    return list(dict.fromkeys(provider_text(provider.label, error) for error in fetched.lost))
