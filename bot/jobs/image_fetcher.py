"""Downloads the images of a finished submission to local files, with many retries because they are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.domain.requests import decode_request
from bot.jobs.late_images import Later, decode_result, fetch_later, up_to_date
from bot.jobs.polling import Doubt, alarm
from bot.jobs.provider_text import MISSING_IMAGES, provider_text
from bot.jobs.rate import Rate
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
SLOW = 1.0
"""Seconds after which fetching images is slow enough to be told: an edit of the card would delay most results."""
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
class _Fetched:
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


class ImageFetcher:
    """Fetches the images of a provider's submissions. All of them share the downloads that its rate allows."""

    def __init__(
        self, provider: Provider, rate: Rate, files: ImageFiles, clock: Clock, *, slow: Callable[[], None]
    ) -> None:
        """``slow`` is called if fetching the images of a submission takes longer than SLOW."""
        self._provider = provider
        self._downloads = rate.downloads
        self._files = files
        self._clock = clock
        self._slow = slow

    async def fetch(
        self, submission: Submission, finished: Finished, before: Collection[int], *, cut_short: Sequence[Text] = ()
    ) -> FetchedResult:
        """Fetch the images of a finished submission, except those at the positions ``before``, which it has.

        ``cut_short`` says why the service made fewer images than it was asked for, if it was stopped. Raises
        StorageError.
        """
        if before and submission.result is not None:
            finished = up_to_date(decode_result(submission.result), finished)
        wanted = {position: image for position, image in enumerate(finished.images) if position not in before}
        fetched = await self._fetch_all(wanted, f"{submission.job_id}-{submission.position}")
        reasons = [*cut_short, *self._reasons(fetched)]
        problems = _problems(decode_request(submission.request), finished, len(before) + len(fetched.kept), reasons)
        later = fetch_later(finished, fetched.lost, made_some=bool(before or fetched.kept))
        return FetchedResult(fetched.kept, problems, later)

    async def _fetch_all(self, images: Mapping[int, GeneratedImage], stem: str) -> _Fetched:
        """Fetch the images, by position, concurrently: each into a file whose name begins with ``stem``."""
        fetches = (self._fetch_one(position, image, stem) for position, image in images.items())
        telling = asyncio.create_task(self._tell())
        try:
            results = await asyncio.gather(*fetches, return_exceptions=True)
        finally:
            telling.cancel()
        lost = {}
        for position, error in zip(images, results, strict=True):
            if isinstance(error, ProviderError):
                lost[position] = error
            elif isinstance(error, BaseException):
                raise error
        return _Fetched(tuple(image for image in results if isinstance(image, KeptImage)), lost)

    async def _tell(self) -> None:
        await self._clock.sleep(SLOW)
        self._slow()

    async def _fetch_one(self, position: int, image: GeneratedImage, stem: str) -> KeptImage:
        name = f"{stem}-{position}"
        async with self._files.writing(name) as aside:
            try:
                fetched = await self._patiently(image, aside)
            except OSError as error:
                # Providers convert network errors into their own, so this is a disk error.
                raise StorageError(Fault.FILES_UNUSABLE, path=aside.parent, reason=error.strerror) from error
            name = f"{name}.{EXTENSIONS[fetched.media_type]}"
            await self._files.keep(aside, name)
        return KeptImage(position=position, file=name, fetched=fetched, seed=image.seed, filtered=image.filtered)

    async def _patiently(self, image: GeneratedImage, aside: Path) -> FetchedImage:
        """Fetch an image, and retry while it may still succeed: the image is paid for."""
        # The wait for a download's turn does not count, or a slow host would cost later images their attempts.
        spent = 0.0
        gone = Doubt(self._clock)
        for wait in chain(BACKOFF, repeat(BACKOFF[-1])):
            async with self._downloads:
                began = self._clock.monotonic()
                try:
                    return await self._provider.fetch(image, aside)
                except (Unreachable, NotFound) as error:
                    reason, detail = error.reason.value, error.detail
                    log.info("image.late", provider=self._provider.name, reason=reason, detail=detail)
                    spent += self._clock.monotonic() - began + wait
                    if isinstance(error, NotFound):
                        if gone.seen():
                            raise
                    else:
                        gone.over()
                        if spent > PATIENCE:
                            raise
            await self._clock.sleep(wait)
        raise AssertionError("the waits never end")

    def _reasons(self, fetched: _Fetched) -> list[Text]:
        """Log the images that could not be fetched. Returns why, each text once."""
        for error in fetched.lost.values():
            log.warning("image.lost", provider=self._provider.name, reason=error.reason.value, detail=error.detail)
            alarm(self._provider, error)
        return list(dict.fromkeys(provider_text(self._provider.label, error) for error in fetched.lost.values()))


def _problems(request: ImageRequest, finished: Finished, made: int, reasons: list[Text]) -> list[Text]:
    """Return what the author should know, given the number of images that there are and why others are missing."""
    if not made:
        return reasons
    missing = request.images - made
    told = [MISSING_IMAGES(count=missing, asked=request.images), *reasons] if missing > 0 else []
    return told + remarks(request, finished)
