"""Downloads the images of a finished submission to local files, with many retries because they are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.domain.requests import decode_request
from bot.jobs.late_images import Later, decode_result, fetch_later, up_to_date
from bot.jobs.polling import Doubt, alarm
from bot.jobs.provider_text import MISSING_IMAGES, provider_text
from bot.providers.base import FetchedImage, Finished, GeneratedImage, ImageRequest, Provider
from bot.providers.errors import NotFound, ProviderError, Unreachable
from bot.providers.operations import Operation
from bot.text import Text, message
from storage.errors import Fault, StorageError
from storage.images import ImageFiles, NewImage
from storage.records import Submission

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
    """The downloaded images, and the errors of the others by position."""

    kept: tuple[KeptImage, ...]
    lost: Mapping[int, ProviderError]


@dataclass(frozen=True, slots=True)
class FetchedResult:
    """The newly downloaded images of a submission, what its author should know, and what can be fetched later."""

    kept: tuple[KeptImage, ...]
    problems: list[Text]
    later: Later


def remarks(request: ImageRequest, finished: Finished) -> list[Text]:
    """Return a text if the service made the images in another shape than the request asked for."""
    if not any(image.reshaped for image in finished.images):
        return []
    return [EXTENDED_DIFFERENTLY() if request.operation is Operation.OUTPAINT else RESHAPED()]


async def fetch_result(
    provider: Provider,
    files: ImageFiles,
    clock: Clock,
    submission: Submission,
    finished: Finished,
    before: Collection[int],
) -> FetchedResult:
    """Fetch the images of a finished submission, except those at the positions ``before``, which it has.

    Raises StorageError.
    """
    if before and submission.result is not None:
        finished = up_to_date(decode_result(submission.result), finished)
    wanted = {position: image for position, image in enumerate(finished.images) if position not in before}
    fetched = await fetch_images(provider, files, clock, wanted, f"{submission.job_id}-{submission.position}")
    problems = _problems(provider, decode_request(submission.request), finished, fetched, before=len(before))
    later = fetch_later(finished, fetched.lost, made_some=bool(before or fetched.kept))
    return FetchedResult(fetched.kept, problems, later)


async def fetch_images(
    provider: Provider, files: ImageFiles, clock: Clock, images: Mapping[int, GeneratedImage], stem: str
) -> Fetched:
    """Fetch the images, by position, concurrently: each into a file whose name begins with ``stem``.

    Raises StorageError.
    """

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

    results = await asyncio.gather(*(fetch(*each) for each in images.items()), return_exceptions=True)
    lost = {}
    for position, error in zip(images, results, strict=True):
        if isinstance(error, ProviderError):
            lost[position] = error
        elif isinstance(error, BaseException):
            raise error
    return Fetched(tuple(image for image in results if isinstance(image, KeptImage)), lost)


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


def _problems(
    provider: Provider, request: ImageRequest, finished: Finished, fetched: Fetched, *, before: int = 0
) -> list[Text]:
    """Log the images that could not be fetched. Returns what the author should know, each text once.

    ``before`` is the number of images that were fetched and stored earlier.
    """
    for error in fetched.lost.values():
        log.warning("image.lost", provider=provider.name, reason=error.reason.value, detail=error.detail)
        alarm(provider, error)
    reasons = list(dict.fromkeys(provider_text(provider.label, error) for error in fetched.lost.values()))
    made = before + len(fetched.kept)
    if not made:
        return reasons
    missing = request.images - made
    told = [MISSING_IMAGES(count=missing, asked=request.images), *reasons] if missing > 0 else []
    return told + remarks(request, finished)
