"""The life of one submission: prepare, send once, find again if the answer was lost, poll, fetch, keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.clock import Clock, Elapsed
from bot.domain.requests import decode_request
from bot.jobs.circuit_breaker import CircuitBreaker
from bot.jobs.image_fetcher import Gatherer, decode_result, encode_result
from bot.jobs.poll_schedule import Watch
from bot.jobs.poll_status import Doubt, Hearing, alarm
from bot.jobs.rate import Rate, at_once
from bot.jobs.store import JobStore
from bot.providers.base import (
    Busy,
    Cause,
    Failed,
    Finished,
    Gone,
    Handle,
    NotFound,
    OutcomeUnknown,
    PollResult,
    Provider,
    ProviderError,
    Refused,
    Unreachable,
    Waiting,
)
from storage.images import ImageFiles
from storage.records import ENDED, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# A submission that could not be sent for so long is given up, free. What it waited before this process began is only
# guessed, so it has to have waited for so long in this one as well.
QUEUED_AT_MOST, QUEUED_HERE = 3600.0, 600.0
# Waits before a submission that surely did not arrive is sent again; the last one is repeated.
BACKOFF = (2.0, 5.0, 15.0, 30.0, 60.0)
# Images that are fetched within so many seconds are shown before the card could say that they are being fetched, and
# saying it would hold them up.
FETCHING_TOLD_AFTER = 1.0
# Of one that was sent by an earlier process nobody knows how old it is: it is given up only after so many seconds and
# looks in this one.
RESUMED_PATIENCE, RESUMED_LOOKS = 120.0, 3
# Seconds between two looks for a lost submit.
FIND_EVERY = 5.0
# A request whose answer was lost, and that did not arrive as far as the provider can tell, is sent once more.
MOST_SENDINGS = 2

UNKNOWN = (
    "No usable answer came from the image service, so it is not known whether it made your pictures. "
    "Press Again to ask for them once more."
)
NOT_OFFERED = "This engine is no longer offered here."
QUEUED_TOO_LONG = "The image service was busy or away for an hour, so nothing was sent."


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
        jobs: JobStore,
        provider: Provider,
        rate: Rate,
        breaker: CircuitBreaker,
        files: ImageFiles,
        clock: Clock,
        changed: Callable[[int], None],
        waited: Elapsed,
        not_found: Doubt,
    ) -> None:
        """``waited``: since when it has been in the queue. ``not_found`` outlives this run: see :meth:`_not_sent`."""
        self.submission = submission
        self.hearing = Hearing(provider, rate, clock)
        self.fetching = False
        self.stopping = False
        self._calling = False
        # What the paid call brought and after how many seconds, until it is stored.
        self._answer: tuple[Handle | Finished | ProviderError, float] | None = None
        self._jobs = jobs
        self._provider = provider
        self._rate = rate
        self._breaker = breaker
        self._gatherer = Gatherer(provider, files, clock)
        self._clock = clock
        self._changed = changed
        self._waited = waited
        self._not_found = not_found
        self.sent = None if submission.sent_at is None else Elapsed.since(clock, submission.sent_at)
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
        if self._waited.total > QUEUED_AT_MOST and self._waited.here > QUEUED_HERE:
            if self._lost:
                await self._end(SubmissionStatus.UNKNOWN, "sent, and could not be sent once more", UNKNOWN)
            else:
                await self._end(SubmissionStatus.FAILED, "queued for too long", QUEUED_TOO_LONG)
            return
        try:
            handle = submission.handle
            if handle is None:
                await self._rate.turn()
                handle = await self._provider.prepare(self._request)
                # Should the next step fail, what was prepared is used again.
                self.submission = replace(submission, handle=handle)
            elif self._lost and await self._arrived_late(handle):
                return
            await self._rate.turn()
        except ProviderError as error:
            self._breaker.record_error(submission.id, submission.user_id, error)
            await self._not_sent(error)
            return
        self._calling = True
        try:
            if self.stopping or not await self._jobs.sending(submission, handle):
                return
            self.submission = replace(self.submission, sendings=submission.sendings + 1)
            self._moved(SubmissionStatus.SUBMITTING, handle=handle, sent_at=self._clock.now())
            self.sent = Elapsed(self._clock)
            await self._pay(handle, self.sent)
        finally:
            self._calling = False

    async def _pay(self, handle: Handle, sent: Elapsed) -> None:
        answer: Handle | Finished | ProviderError
        try:
            answer = await self._provider.submit(handle, self._request)
        except OutcomeUnknown as error:
            log.warning("submit.unknown", provider=self._provider.name, detail=error.detail)
            self._breaker.record_failure(self.submission.id, self.submission.user_id, error.cause)
            self._calling = False
            await self._find_or_give_up()
            return
        except ProviderError as error:
            self._breaker.record_error(self.submission.id, self.submission.user_id, error)
            answer = error
        else:
            self._breaker.record_accepted(self.submission.id, self.submission.user_id)
        await self._store(answer, sent.here)

    async def _store(self, answer: Handle | Finished | ProviderError, seconds: float) -> None:
        """Write down what the paid call brought after so long; it is remembered until that has worked."""
        self._answer = answer, seconds
        if isinstance(answer, ProviderError):
            await self._not_sent(answer)
        elif isinstance(answer, Finished):
            await self._keep(answer, seconds)
        elif await self._jobs.accepted(self.submission, answer, why="accepted"):
            self._moved(SubmissionStatus.RENDERING, handle=answer)
        self._answer = None

    async def _not_sent(self, error: ProviderError) -> None:
        """The provider surely did not accept it: refuse for good, or queue it again.

        That there is nothing to send it to counts only if it stays so, over as many tries as it takes.
        """
        log.info("submit.refused", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        passing = isinstance(error, NotFound) and not self._not_found.seen()
        if not isinstance(error, NotFound):
            self._not_found.over()
        if isinstance(error, Refused) and not passing:
            alarm(self._provider, error)
            # Of an earlier sending nobody knows what became.
            status = SubmissionStatus.UNKNOWN if self._lost else SubmissionStatus.FAILED
            await self._end(status, "refused by the provider", error.message)
            return
        seconds = BACKOFF[min(self.submission.attempts, len(BACKOFF) - 1)]
        if isinstance(error, Busy):
            seconds = error.retry_after if error.retry_after is not None else seconds
            self._rate.pause(seconds, polls=False)
        why = "the provider is busy" if isinstance(error, Busy) else "the provider could not be reached"
        if passing:
            why = "the provider did not find it"
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
        # Time that passed in this run: neither an absence nor a clock that jumps is a reason to pay again.
        began = Elapsed(self._clock)
        patience = max(self._provider.patience, 2 * self._provider.lost_after)
        while not self.stopping:
            if began.here > patience:
                await self._end(SubmissionStatus.UNKNOWN, "sent, and could not be looked for", UNKNOWN)
                return
            try:
                await self._rate.turn(at_once)
                looked_for = began.here
                found = await self._provider.find(handle)
                looked += 1
            except ProviderError as error:
                self.hearing.failed(error)
                await self._clock.sleep(FIND_EVERY)
                continue
            self.hearing.answered()
            if found is not None:
                if await self._jobs.accepted(self.submission, found, why="found at the provider"):
                    self._moved(SubmissionStatus.RENDERING, handle=found)
                return
            if looked >= 2 and looked_for >= self._provider.lost_after:
                await self._did_not_arrive()
                return
            left = self._provider.lost_after - looked_for
            await self._clock.sleep(FIND_EVERY if looked < 2 else max(FIND_EVERY, left))

    async def _did_not_arrive(self) -> None:
        """It is surely not there now: sent once more, and after that left alone."""
        if self.submission.sendings >= MOST_SENDINGS:
            await self._end(SubmissionStatus.UNKNOWN, "sent twice, and not seen at the provider", UNKNOWN)
        elif await self._jobs.postpone(self.submission, seconds=0, why="it did not arrive", lost=True):
            self._moved(SubmissionStatus.QUEUED)

    async def _arrived_late(self, handle: Handle) -> bool:
        """Look a last time before it is sent once more; it may have waited for a while. Raises ProviderError."""
        await self._rate.turn()
        try:
            found = await self._provider.find(handle)
        except Refused as error:
            # What is refused is the look. That is no answer to the request.
            raise Unreachable(error.message, detail=error.detail) from error
        if found is None:
            return False
        if await self._jobs.accepted(self.submission, found, why="found at the provider"):
            self._moved(SubmissionStatus.RENDERING, handle=found)
        return True

    @property
    def _lost(self) -> bool:
        """Whether it was sent before and its answer was lost, the call aside that is under way."""
        return self.submission.sendings > (self.submission.status is SubmissionStatus.SUBMITTING)

    # --- waiting for it -----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        handle = self.submission.handle
        sent = self.sent
        if handle is None or sent is None:
            raise RuntimeError("a rendering submission has neither handle nor time of sending")
        looks = 0
        past = await self._jobs.durations.of(self._request)
        shortest, at_once = self._provider.shortest_poll, self._poll_at_once
        # Should this be cut off, it is taken up by asking at once.
        self._poll_at_once = True
        with Watch(past, self._rate, self._clock, sent=sent, shortest=shortest, at_once=at_once) as watch:
            while not self.stopping:
                await watch.turn()
                result = await self._ask(watch, handle)
                match result:
                    case Finished():
                        await self._keep(result, self._took(watch, sent), watch)
                        return
                    case Failed(message, charged):
                        if charged:
                            # It made what it was asked for, or looked at it, and held it back: that is no failure.
                            why = "charged for, and nothing was made"
                            await self._end_for_nothing(why, message, charged, fault=False)
                        else:
                            await self._end(SubmissionStatus.FAILED, "failed at the provider", message)
                        return
                    case Gone():
                        await self._give_up("the provider no longer knows it", UNKNOWN)
                        return
                    case Waiting():
                        looks += 1
                        if self._long_enough(sent, looks) and self.hearing.enough:
                            told = self.hearing.given_up(round(sent.total / 60))
                            await self._give_up("rendering for too long", told)
                            return
                        so_far = result.charged or self.submission.charged
                        if result.handle is not None or so_far != self.submission.charged:
                            handle = result.handle or handle
                            if not await self._jobs.learnt(self.submission, handle, so_far):
                                return
                            self.submission = replace(self.submission, handle=handle, charged=so_far)

    def _long_enough(self, sent: Elapsed, looks: int) -> bool:
        """Whether it may be given up after so long, found waiting so many times."""
        patience = self._provider.patience
        if sent.guessed and (looks < RESUMED_LOOKS or sent.here <= min(patience, RESUMED_PATIENCE)):
            return False
        return sent.total > patience

    def _took(self, watch: Watch, sent: Elapsed) -> float | None:
        """How many seconds it took; None where that hangs on a guess that cannot be."""
        seconds = watch.over()
        return seconds if not sent.guessed or seconds <= self._provider.patience else None

    async def _ask(self, watch: Watch, handle: Handle) -> PollResult:
        """Poll once. Without an answer that counts it is what was said last."""
        try:
            result = await self._provider.poll(handle, self._request)
        except ProviderError as error:
            self.hearing.failed(error)
            watch.failed()
            return replace(self.hearing.said, handle=None)
        if isinstance(result, Gone) or (isinstance(result, Finished | Failed) and not result.sure):
            if self.hearing.believes():
                return result
            watch.failed()
            return replace(self.hearing.said, handle=None)
        self.hearing.answered()
        if isinstance(result, Waiting):
            watch.still_waiting(result)
            if self.hearing.waiting(result):
                self._changed(self.submission.job_id)
        return result

    # --- making it ours -----------------------------------------------------------------------------------------

    async def _keep(self, finished: Finished, seconds: float | None, watch: Watch | None = None) -> None:
        """Fetch what was made within so many seconds, if that is known, and store it."""
        telling = asyncio.create_task(self._tell_of_fetching())
        try:
            stem = f"{self.submission.job_id}-{self.submission.position}"
            gathered = await self._gatherer.gather(finished.images, stem)
        finally:
            telling.cancel()
        for error in gathered.lost:
            log.warning("image.lost", provider=self._provider.name, detail=error.detail)
            alarm(self._provider, error)
        if not gathered.kept:
            mendable = gathered.mendable
            result = encode_result(finished, why=mendable.detail if mendable else "") or self.submission.result
            await self._end_for_nothing(
                "no image could be fetched",
                gathered.reasons,
                finished.cost.millicredits + finished.beyond,
                fault=not all(image.filtered for image in finished.images),
                result=result,
                waits_for=mendable.setting if mendable and result else None,
            )
            return
        missing = self._request.images - len(gathered.kept)
        note = None
        if missing > 0:
            because = f": {gathered.reasons}" if gathered.lost else "."
            note = f"{missing} of {self._request.images} pictures did not come{because}"
        if finished.beyond:
            log.error("provider.charged_twice", provider=self._provider.name, millicredits=finished.beyond)
        sent_at = self.submission.sent_at
        # By the seconds, not by the clock: it may have been set meanwhile, and this is what the next start learns from.
        finished_at = None if seconds is None or sent_at is None else sent_at + round(seconds * 1000)
        if await self._jobs.done(
            self.submission,
            gathered.kept,
            finished.cost,
            finished_at=finished_at,
            note=note,
            beyond=finished.beyond,
        ):
            self._breaker.record_success(self.submission.id, self.submission.user_id)
            # How long it lay unknown says nothing about the engine.
            if seconds is not None and self.submission.reopened_at is None:
                past = await self._jobs.durations.of(self._request)
                past.add(seconds, watch.mark if watch else None, blind=watch is not None and watch.blind)
            self._moved(SubmissionStatus.DONE)

    async def _tell_of_fetching(self) -> None:
        await self._clock.sleep(FETCHING_TOLD_AFTER)
        self.fetching = True
        self._changed(self.submission.job_id)

    # --- the record ---------------------------------------------------------------------------------------------

    async def _end(self, status: SubmissionStatus, why: str, told: str, **known: object) -> None:
        if await self._jobs.ended_free(self.submission, status, why=why, told=told, **known):
            self._moved(status)

    async def _give_up(self, why: str, told: str) -> None:
        """The provider does not say what became of it: what it said before is tried once more, where it is known."""
        if self.submission.result is not None:
            await self._keep(decode_result(self.submission.result), None)
        else:
            await self._end_for_nothing(why, told)

    async def _end_for_nothing(
        self, why: str, told: str, millicredits: int = 0, *, fault: bool = True, **known: object
    ) -> None:
        """It was taken, and perhaps charged for, and brought nothing: free for the user, and known to the admins.

        ``fault``: the service failed, as it may fail others.
        """
        if millicredits:
            log.error("provider.charged_for_nothing", provider=self._provider.name, millicredits=millicredits)
        if fault:
            self._breaker.record_failure(self.submission.id, self.submission.user_id, Cause.NOTHING_CAME)
        charged = millicredits or self.submission.charged
        await self._end(SubmissionStatus.UNKNOWN, why, told, charged=charged, **known)

    def _moved(self, status: SubmissionStatus, *, handle: Handle | None = None, sent_at: int | None = None) -> None:
        self.submission = replace(
            self.submission,
            status=status,
            handle=handle if handle is not None else self.submission.handle,
            sent_at=sent_at if sent_at is not None else self.submission.sent_at,
        )
        log.info("submission.moved", status=status.value)
        # Of an end the worker tells, who knows whether the whole job is ready to be shown.
        if status not in ENDED:
            self._changed(self.submission.job_id)
