"""The life of one submission: prepare, send once, find again if the answer was lost, poll, fetch, keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from bot.generation import plain_polling as polling
from bot.generation.clock import Clock
from bot.generation.jobs import Jobs, KeptImage
from bot.generation.rate import Rate
from bot.generation.requests import decode_request
from bot.providers.base import (
    Busy,
    Failed,
    FetchedImage,
    Finished,
    GeneratedImage,
    Gone,
    Handle,
    OutcomeUnknown,
    Provider,
    ProviderError,
    Refused,
    Unreachable,
    Waiting,
)
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.jobs import Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# A submission that could not be sent for so long is given up, free.
QUEUED_AT_MOST = 3600.0
# Waits before a submission that surely did not arrive is sent again; the last one is repeated.
BACKOFF = (2.0, 5.0, 15.0, 30.0, 60.0)
# A lost submit is looked for at least twice, the last time so long after it was sent.
LOST_AFTER = 60.0
FIND_EVERY = 5.0
# An image may appear a while after its job is finished: how often, and at what distance, it is asked for.
FETCH_BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

UNKNOWN = (
    "The image service never answered, so it is not known whether it made your pictures. You were not charged. "
    "Press Again to ask for them once more."
)
NOT_OFFERED = "This engine is no longer offered here. You were not charged."
GIVEN_UP = "The image service was not finished after {minutes} minutes, so we stopped waiting. You were not charged."
LOST_FILES = "The pictures were made but could not be fetched from the image service. You were not charged."
QUEUED_TOO_LONG = "The image service could not be reached for an hour, so nothing was sent. You were not charged."
NOT_CHARGED = "You were not charged."


class SubmissionRun:
    """Takes one submission from where it stands to its end.

    Every step is stored before and after what it does outside, so a run that is cut off anywhere can be taken up by
    another one. What a paid call brought stays in memory until it is stored: after a StorageError the same run can be
    run again and loses nothing.
    """

    def __init__(
        self,
        submission: Submission,
        *,
        jobs: Jobs,
        provider: Provider,
        rate: Rate,
        files: ImageFiles,
        clock: Clock,
        changed: Callable[[int], None],
    ) -> None:
        self.submission = submission
        self.said = Waiting()
        self.fetching = False
        self.stopping = False
        self._calling = False
        # What the paid call brought and when (Unix milliseconds), until it is stored.
        self._answer: tuple[Handle | Finished | ProviderError, int] | None = None
        self._jobs = jobs
        self._provider = provider
        self._rate = rate
        self._files = files
        self._clock = clock
        self._changed = changed
        self._request = decode_request(submission.request)
        # Nobody knows what happened while the bot was away: such a one is asked for at once.
        self._poll_at_once = submission.status is SubmissionStatus.RENDERING

    @property
    def paying(self) -> bool:
        """Whether a paid call is on its way or its answer not stored yet: then it should be waited for."""
        return self._calling or self._answer is not None

    async def run(self) -> None:
        """Go on until the submission has ended, was postponed, or the program is stopping. Raises StorageError."""
        if self._answer is not None:
            await self._store(*self._answer)
        elif self.submission.status is SubmissionStatus.QUEUED:
            await self._send()
        elif self.submission.status is SubmissionStatus.SUBMITTING:
            await self._find_or_give_up()
        if self.submission.status is SubmissionStatus.RENDERING and not self.stopping:
            await self._follow()

    # --- sending ------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        submission = self.submission
        if self._age(submission.created_at) > QUEUED_AT_MOST:
            await self._end(SubmissionStatus.FAILED, "queued for too long", QUEUED_TOO_LONG)
            return
        try:
            handle = submission.handle
            if handle is None:
                await self._rate.turn()
                handle = await self._provider.prepare(self._request)
                # Should the next step fail, what was prepared is used again.
                self.submission = replace(submission, handle=handle)
            await self._rate.turn()
        except ProviderError as error:
            await self._not_sent(error)
            return
        self._calling = True
        try:
            if self.stopping or not await self._jobs.sending(submission, handle):
                return
            self._moved(SubmissionStatus.SUBMITTING, handle=handle, sent_at=self._clock.now())
            await self._pay(handle)
        finally:
            self._calling = False

    async def _pay(self, handle: Handle) -> None:
        answer: Handle | Finished | ProviderError
        try:
            answer = await self._provider.submit(handle, self._request)
        except OutcomeUnknown as error:
            log.warning("submit.unknown", provider=self._provider.name, detail=error.detail)
            self._calling = False
            await self._find_or_give_up()
            return
        except ProviderError as error:
            answer = error
        await self._store(answer, self._clock.now())

    async def _store(self, answer: Handle | Finished | ProviderError, came_at: int) -> None:
        """Write down what the paid call brought; it is remembered until that has worked."""
        self._answer = answer, came_at
        if isinstance(answer, ProviderError):
            await self._not_sent(answer)
        elif isinstance(answer, Finished):
            await self._keep(answer, came_at)
        elif await self._jobs.accepted(self.submission, answer, why="accepted"):
            self._moved(SubmissionStatus.RENDERING, handle=answer)
        self._answer = None

    async def _not_sent(self, error: ProviderError) -> None:
        """The provider surely did not accept it: refuse for good, or queue it again."""
        log.info("submit.refused", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        if isinstance(error, Refused):
            if error.operator:
                log.error("provider.needs_operator", provider=self._provider.name, detail=error.detail)
            await self._end(SubmissionStatus.FAILED, "refused by the provider", f"{error.message} {NOT_CHARGED}")
            return
        seconds = BACKOFF[min(self.submission.attempts, len(BACKOFF) - 1)]
        if isinstance(error, Busy):
            seconds = error.retry_after if error.retry_after is not None else seconds
            self._rate.pause(seconds)
        why = "the provider is busy" if isinstance(error, Busy) else "the provider could not be reached"
        handle = self.submission.handle
        if await self._jobs.postpone(self.submission, seconds=seconds, why=why, handle=handle):
            self._moved(SubmissionStatus.QUEUED, handle=handle)

    # --- a submit whose answer was lost -------------------------------------------------------------------------

    async def _find_or_give_up(self) -> None:
        handle = self.submission.handle
        if not self._provider.finds_lost_submits or handle is None:
            await self._end(SubmissionStatus.UNKNOWN, "sent, and no answer came", UNKNOWN)
            return
        looked = 0
        while not self.stopping:
            sent_for = self._age(self.submission.sent_at or self._clock.now())
            if sent_for > self._provider.patience:
                await self._end(SubmissionStatus.UNKNOWN, "sent, and could not be looked for", UNKNOWN)
                return
            try:
                await self._rate.turn()
                sent_for = self._age(self.submission.sent_at or self._clock.now())
                found = await self._provider.find(handle)
                looked += 1
            except ProviderError as error:
                self._listen(error)
                await self._clock.sleep(FIND_EVERY)
                continue
            if found is not None:
                if await self._jobs.accepted(self.submission, found, why="found at the provider"):
                    self._moved(SubmissionStatus.RENDERING, handle=found)
                return
            if looked >= 2 and sent_for >= LOST_AFTER:
                if await self._jobs.postpone(self.submission, seconds=0, why="it did not arrive", handle=handle):
                    self._moved(SubmissionStatus.QUEUED)
                return
            await self._clock.sleep(FIND_EVERY if looked < 2 else max(FIND_EVERY, LOST_AFTER - sent_for))

    # --- waiting for it -----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        handle = self.submission.handle
        sent_at = self.submission.sent_at
        if handle is None or sent_at is None:
            raise RuntimeError("a rendering submission has neither handle nor time of sending")
        while not self.stopping:
            durations = await self._jobs.durations.of(self.submission.engine)
            delay = polling.next_delay(
                self._age(sent_at),
                durations,
                shortest=self._provider.shortest_poll,
                eta=self.said.eta_seconds,
                percent=self.said.percent,
            )
            await self._clock.sleep(0 if self._poll_at_once else delay)
            self._poll_at_once = False
            await self._rate.turn()
            try:
                result = await self._provider.poll(handle)
            except ProviderError as error:
                self._listen(error)
                result = replace(self.said, handle=None)
            match result:
                case Finished():
                    await self._keep(result, self._clock.now())
                    return
                case Failed(message):
                    await self._end(SubmissionStatus.FAILED, "failed at the provider", f"{message} {NOT_CHARGED}")
                    return
                case Gone():
                    await self._end(SubmissionStatus.UNKNOWN, "the provider no longer knows it", UNKNOWN)
                    return
                case Waiting():
                    if self._age(sent_at) > self._provider.patience:
                        told = GIVEN_UP.format(minutes=round(self._provider.patience / 60))
                        await self._end(SubmissionStatus.UNKNOWN, "rendering for too long", told)
                        return
                    if result.handle is not None:
                        handle = result.handle
                        if not await self._jobs.learnt(self.submission, handle):
                            return
                        self.submission = replace(self.submission, handle=handle)
                    if result != self.said:
                        self.said = result
                        self._changed(self.submission.job_id)

    def _listen(self, error: ProviderError) -> None:
        """A free call failed: nothing is lost, it is made again; only the pace may change."""
        log.info("poll.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        if isinstance(error, Busy):
            self._rate.pause(error.retry_after if error.retry_after is not None else BACKOFF[0])
        if isinstance(error, Refused) and error.operator:
            log.error("provider.needs_operator", provider=self._provider.name, detail=error.detail)

    # --- making it ours -----------------------------------------------------------------------------------------

    async def _keep(self, finished: Finished, finished_at: int) -> None:
        self.fetching = True
        self._changed(self.submission.job_id)
        fetched = await asyncio.gather(
            *(self._fetch(position, image) for position, image in enumerate(finished.images)), return_exceptions=True
        )
        kept = [image for image in fetched if isinstance(image, KeptImage)]
        lost = [error for error in fetched if isinstance(error, BaseException)]
        for error in lost:
            if not isinstance(error, ProviderError):
                raise error
            log.warning("image.lost", provider=self._provider.name, detail=error.detail)
        if not kept:
            await self._end(SubmissionStatus.FAILED, "no image could be fetched", LOST_FILES)
            return
        missing = self._request.images - len(kept)
        note = f"{missing} of {self._request.images} pictures did not come." if missing > 0 else None
        if await self._jobs.done(self.submission, kept, finished.cost, finished_at=finished_at, note=note):
            self._moved(SubmissionStatus.DONE)

    async def _fetch(self, position: int, image: GeneratedImage) -> KeptImage:
        stem = f"{self.submission.job_id}-{self.submission.position}-{position}"
        aside = self._files.aside(stem)
        try:
            fetched = await self._patiently(image, aside)
        except OSError as error:
            # Providers keep the network's errors to themselves, so it is the disk's.
            raise StorageError(f"The image files cannot be written: {error.strerror}.") from error
        name = f"{stem}.{EXTENSIONS[fetched.media_type]}"
        await self._files.keep(aside, name)
        return KeptImage(position=position, file=name, fetched=fetched, seed=image.seed, filtered=image.filtered)

    async def _patiently(self, image: GeneratedImage, aside: Path) -> FetchedImage:
        for wait in FETCH_BACKOFF:
            try:
                return await self._provider.fetch(image, aside)
            except Unreachable as error:
                log.info("image.late", provider=self._provider.name, detail=error.detail)
            await self._clock.sleep(wait)
        return await self._provider.fetch(image, aside)

    # --- the record ---------------------------------------------------------------------------------------------

    async def _end(self, status: SubmissionStatus, why: str, told: str) -> None:
        if await self._jobs.ended_free(self.submission, status, why=why, told=told):
            self._moved(status)

    def _moved(self, status: SubmissionStatus, *, handle: Handle | None = None, sent_at: int | None = None) -> None:
        self.submission = replace(
            self.submission,
            status=status,
            handle=handle if handle is not None else self.submission.handle,
            sent_at=sent_at if sent_at is not None else self.submission.sent_at,
        )
        log.info("submission.moved", status=status.value)
        self._changed(self.submission.job_id)

    def _age(self, since: int) -> float:
        """Seconds since a time in Unix milliseconds."""
        return (self._clock.now() - since) / 1000
