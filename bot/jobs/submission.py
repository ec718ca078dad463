"""The life of one submission: prepare, submit once, find it if the answer was lost, poll, fetch the images, store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.clock import Clock, Elapsed
from bot.domain.requests import decode_request
from bot.jobs.circuit_breaker import CircuitBreaker
from bot.jobs.image_fetcher import decode_result, encode_result, fetch_images
from bot.jobs.polling import Doubt, PollSchedule, PollStatus, alarm
from bot.jobs.provider_text import as_stored, provider_text
from bot.jobs.rate import Rate, at_once
from bot.jobs.store import JobStore
from bot.providers.base import Failed, Finished, Gone, Handle, PollResult, Provider, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.text import Text, message
from storage.images import ImageFiles
from storage.records import ENDED, EventReason, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# Seconds after which a submission that could not be sent is given up, free. How long it waited before this process
# began is only a guess, so it must have waited for some time in this process as well.
QUEUED_AT_MOST, QUEUED_HERE = 3600.0, 600.0
# Seconds before a submission that surely did not arrive is sent again; the last one is repeated.
BACKOFF = (2.0, 5.0, 15.0, 30.0, 60.0)
# The card says that images are being fetched only after so many seconds: most are shown before that, and saying it
# would delay them.
FETCHING_TOLD_AFTER = 1.0
# The age of a submission that an earlier process sent is a guess: it is given up only after so many seconds and polls
# in this process.
RESUMED_PATIENCE, RESUMED_POLLS = 120.0, 3
# Seconds between two looks for a lost submit.
FIND_EVERY = 5.0
# A request whose answer was lost, and that did not arrive as far as the provider can tell, is sent once more.
MOST_SENDINGS = 2
# After the last sending nothing is gained by giving up soon: it is looked for so many times as long.
LAST_LOOK = 3

UNKNOWN = message(
    "submission.unknown",
    "We lost contact with the image service and can't tell if it finished. Press Again to retry.",
)
NOT_OFFERED = message("submission.not_offered", "This engine is no longer available here.")
QUEUED_TOO_LONG = message(
    "submission.queued_too_long",
    "The image service was busy or out of reach for an hour, so nothing was sent.",
)
MISSING_IMAGES = message(
    "submission.missing_images", "{count} of {asked} images is missing.", "{count} of {asked} images are missing."
)


class SubmissionRun:
    """Takes one submission from its current status to its end.

    Every step is stored before and after the call it makes, so another run can resume after a crash at any point. The
    answer to a paid call stays in memory until it is stored: after a StorageError the same run can be run again and
    loses nothing.
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
        """``waited``: how long it has been queued. ``not_found`` outlives this run: see :meth:`_not_sent`."""
        self.submission = submission
        self.polls = PollStatus(provider, rate, clock)
        self.fetching = False
        self.stopping = False
        self._calling = False
        # The answer to the paid call and the seconds it took, until it is stored.
        self._answer: tuple[Handle | Finished | ProviderError, float] | None = None
        # Since when it is known that its sending arrived, though the answer was lost: it may have done so just before.
        self._found: Elapsed | None = None
        # Why it is not sent any more, and what is told of that if an earlier sending is not found either.
        self._last_word: tuple[EventReason, Text] | None = None
        self._jobs = jobs
        self._provider = provider
        self._rate = rate
        self._breaker = breaker
        self._files = files
        self._clock = clock
        self._changed = changed
        self._waited = waited
        self._not_found = not_found
        self.sent = None if submission.sent_at is None else Elapsed.since(clock, submission.sent_at)
        self._request = decode_request(submission.request)
        # It may have ended while the bot was down, so it is polled at once.
        self._poll_at_once = submission.status is SubmissionStatus.RENDERING

    @property
    def paying(self) -> bool:
        """Whether a paid call is on its way or its answer is not stored yet: then it should be waited for."""
        return self._calling or self._answer is not None

    @property
    def resumable(self) -> bool:
        """Whether a fault of ours need not be its end: what became of it is known or can be asked, at no price."""
        known = self._answer is not None or self.submission.status is SubmissionStatus.RENDERING
        return known or (self.submission.sendings > 0 and self._provider.finds_lost_submits)

    async def run(self) -> None:
        """Go on until the submission has ended or was postponed, or the program stops. Raises StorageError."""
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
                self._last_word = EventReason.NOT_SENT_AGAIN, UNKNOWN()
                await self._find_or_give_up()
            else:
                await self._end(SubmissionStatus.FAILED, EventReason.QUEUED_TOO_LONG, QUEUED_TOO_LONG())
            return
        try:
            handle = submission.handle
            if handle is None:
                await self._rate.turn()
                handle = await self._provider.prepare(self._request)
                # If the next step fails, this handle is used again.
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
            self._breaker.record_failure(self.submission.id, self.submission.user_id, error.reason)
            await self._find_or_give_up()
            return
        except ProviderError as error:
            self._breaker.record_error(self.submission.id, self.submission.user_id, error)
            answer = error
        else:
            self._breaker.record_accepted(self.submission.id, self.submission.user_id)
        await self._store(answer, sent.here)

    async def _store(self, answer: Handle | Finished | ProviderError, seconds: float) -> None:
        """Store the answer to the paid call, which took so long; it stays in memory until that has worked."""
        self._answer = answer, seconds
        if isinstance(answer, ProviderError):
            await self._not_sent(answer)
        elif isinstance(answer, Finished):
            await self._keep(answer, seconds)
        elif await self._jobs.accepted(self.submission, answer, why=EventReason.ACCEPTED):
            self._moved(SubmissionStatus.RENDERING, handle=answer)
        self._answer = None

    async def _not_sent(self, error: ProviderError) -> None:
        """The provider surely did not accept it: end it, or queue it again. NotFound counts only if it stays so."""
        log.info("submit.refused", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        passing = isinstance(error, NotFound) and not self._not_found.seen()
        if not isinstance(error, NotFound):
            self._not_found.over()
        if isinstance(error, Refused) and not passing:
            alarm(self._provider, error)
            told = provider_text(self._provider.label, error)
            if self._lost:
                # An earlier sending may have arrived.
                self._last_word = EventReason.REFUSED, told
                await self._find_or_give_up()
            else:
                await self._end(SubmissionStatus.FAILED, EventReason.REFUSED, told)
            return
        seconds = BACKOFF[min(self.submission.attempts, len(BACKOFF) - 1)]
        why = EventReason.NOT_FOUND if passing else EventReason.UNREACHABLE
        if isinstance(error, Busy):
            why = EventReason.BUSY
            seconds = error.retry_after if error.retry_after is not None else seconds
            self._rate.pause(seconds, polls=False)
        handle = self.submission.handle
        if await self._jobs.postpone(self.submission, seconds=seconds, why=why, handle=handle):
            self._moved(SubmissionStatus.QUEUED, handle=handle)

    # --- a submit whose answer was lost -------------------------------------------------------------------------

    async def _find_or_give_up(self) -> None:
        """Look for it. If it surely did not arrive, it is sent once more, unless that was done or cannot be done."""
        # That it was sent is stored, so nothing is lost if this is interrupted.
        self._calling, self._answer = False, None
        handle = self.submission.handle
        if not self._provider.finds_lost_submits or handle is None:
            await self._end_unknown(EventReason.NO_ANSWER)
            return
        looked = 0
        # Only time that passed in this run counts: neither downtime nor a clock that jumps is a reason to pay again.
        began = Elapsed(self._clock)
        last = self._last_word is not None or self.submission.sendings >= MOST_SENDINGS
        lost_after = self._provider.lost_after * (LAST_LOOK if last else 1)
        patience = max(self._provider.patience, 2 * lost_after)
        while not self.stopping:
            try:
                await self._rate.turn(at_once)
                looked_for = began.here
                found = await self._provider.find(handle)
                looked += 1
            except ProviderError as error:
                self.polls.failed(error)
                if began.here > patience:
                    await self._end_unknown(EventReason.NOT_LOOKED_FOR)
                    return
                await self._clock.sleep(FIND_EVERY)
                continue
            self.polls.answered()
            if found is not None:
                await self._take(found)
                return
            if looked >= 2 and looked_for >= lost_after:
                await self._did_not_arrive(last=last)
                return
            pause = min(lost_after - looked_for, self._provider.lost_after)
            await self._clock.sleep(FIND_EVERY if looked < 2 else max(FIND_EVERY, pause))

    async def _did_not_arrive(self, *, last: bool) -> None:
        """The provider surely does not have it: send it once more, or end it as unknown after that."""
        if last:
            await self._end_unknown(EventReason.LOST_TWICE)
        elif await self._jobs.postpone(self.submission, seconds=0, why=EventReason.NOT_ARRIVED, lost=True):
            self._moved(SubmissionStatus.QUEUED)

    async def _end_unknown(self, why: EventReason) -> None:
        """It was not found; ``why`` unless it could not be sent any more for a reason of its own."""
        why, told = self._last_word or (why, UNKNOWN())
        await self._end(SubmissionStatus.UNKNOWN, why, told)

    async def _arrived_late(self, handle: Handle) -> bool:
        """Look a last time before it is sent again, since it may have waited for a while. Raises ProviderError."""
        await self._rate.turn()
        try:
            found = await self._provider.find(handle)
        except Refused as error:
            # The look was refused, which is no answer to the request.
            raise Unreachable(error.reason, said=error.said, detail=error.detail, values=error.values) from error
        if found is None:
            return False
        await self._take(found)
        return True

    async def _take(self, found: Handle) -> None:
        """The provider has it."""
        if await self._jobs.accepted(self.submission, found, why=EventReason.FOUND):
            self._found = Elapsed(self._clock)
            self._moved(SubmissionStatus.RENDERING, handle=found)

    @property
    def _lost(self) -> bool:
        """Whether an earlier sending's answer was lost, apart from a call that is under way."""
        return self.submission.sendings > (self.submission.status is SubmissionStatus.SUBMITTING)

    # --- waiting for it -----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        handle = self.submission.handle
        sent = self.sent
        if handle is None or sent is None:
            raise RuntimeError("a rendering submission has neither handle nor time of sending")
        polls = 0
        model = await self._jobs.durations.of(self._request)
        shortest, at_once = self._provider.shortest_poll, self._poll_at_once
        # If this is interrupted, the next run polls at once.
        self._poll_at_once = True
        with PollSchedule(model, self._rate, self._clock, sent=sent, shortest=shortest, at_once=at_once) as schedule:
            while not self.stopping:
                await schedule.turn()
                result = await self._poll(schedule, handle)
                match result:
                    case Finished():
                        await self._keep(result, self._took(schedule, sent), schedule)
                        return
                    case Failed():
                        told = provider_text(self._provider.label, result)
                        if result.charged:
                            # It made the images or looked at them and withheld them: that is no failure.
                            await self._end_charged(EventReason.NOTHING_MADE, told, charged=result.charged, fault=False)
                        else:
                            await self._end(SubmissionStatus.FAILED, EventReason.FAILED, told)
                        return
                    case Gone():
                        await self._give_up(EventReason.GONE, UNKNOWN())
                        return
                    case Waiting():
                        polls += 1
                        if self._long_enough(sent, polls) and self.polls.may_give_up:
                            told_minutes = self.polls.given_up(round(sent.total / 60))
                            await self._give_up(EventReason.TIMED_OUT, *told_minutes)
                            return
                        so_far = result.charged or self.submission.charged
                        if result.handle is not None or so_far != self.submission.charged:
                            handle = result.handle or handle
                            if not await self._jobs.learnt(self.submission, handle, so_far):
                                return
                            self.submission = replace(self.submission, handle=handle, charged=so_far)

    def _long_enough(self, sent: Elapsed, polls: int) -> bool:
        """Whether it may be given up after so long, and so many polls that found it open."""
        patience = self._provider.patience
        if self._found is not None and self._found.here <= patience:
            return False
        if sent.guessed and (polls < RESUMED_POLLS or sent.here <= min(patience, RESUMED_PATIENCE)):
            return False
        return sent.total > patience

    def _took(self, schedule: PollSchedule, sent: Elapsed) -> float | None:
        """The seconds it took; None where they depend on a guess that cannot be right."""
        seconds = schedule.estimated_duration()
        return seconds if not sent.guessed or seconds <= self._provider.patience else None

    async def _poll(self, schedule: PollSchedule, handle: Handle) -> PollResult:
        """Poll once. Where the answer does not count, the result is the latest one that did."""
        try:
            result = await self._provider.poll(handle, self._request)
        except ProviderError as error:
            self.polls.failed(error)
            schedule.failed()
            return replace(self.polls.said, handle=None)
        if isinstance(result, Gone) or (isinstance(result, Finished | Failed) and not result.sure):
            if self.polls.doubted():
                return result
            schedule.failed()
            return replace(self.polls.said, handle=None)
        self.polls.answered()
        if isinstance(result, Waiting):
            schedule.still_waiting(result)
            if self.polls.waiting(result):
                self._changed(self.submission.job_id)
        return result

    # --- the images ---------------------------------------------------------------------------------------------

    async def _keep(self, finished: Finished, seconds: float | None, schedule: PollSchedule | None = None) -> None:
        """Fetch and store the images, which were made within so many seconds, if that is known."""
        submission, label = self.submission, self._provider.label
        telling = asyncio.create_task(self._tell_of_fetching())
        try:
            stem = f"{submission.job_id}-{submission.position}"
            fetched = await fetch_images(self._provider, self._files, self._clock, finished.images, stem)
        finally:
            telling.cancel()
        for error in fetched.lost:
            log.warning("image.lost", provider=self._provider.name, reason=error.reason.value, detail=error.detail)
            alarm(self._provider, error)
        problems = [provider_text(label, error) for error in fetched.lost]
        problems = [text for place, text in enumerate(problems) if text not in problems[:place]]
        if not fetched.kept:
            fixable = fetched.fixable
            result = encode_result(finished, why=fixable.detail if fixable else "") or submission.result
            await self._end_charged(
                EventReason.NO_IMAGES,
                *problems,
                charged=finished.cost.millicredits + finished.beyond,
                fault=not all(image.filtered for image in finished.images),
                result=result,
                waits_for=fixable.setting if fixable and result else None,
            )
            return
        missing = self._request.images - len(fetched.kept)
        if missing > 0:
            problems.insert(0, MISSING_IMAGES(count=missing, asked=self._request.images))
        if finished.beyond:
            log.error("provider.charged_twice", provider=self._provider.name, millicredits=finished.beyond)
        # Read before this one is stored, which would otherwise count twice.
        model = await self._jobs.durations.of(self._request)
        # By the seconds, not by the clock: it may have been set meanwhile, and the next start learns from this.
        known = seconds is not None and submission.sent_at is not None
        finished_at = (submission.sent_at or 0) + round((seconds or 0) * 1000) if known else None
        if await self._jobs.done(
            submission,
            fetched.kept,
            finished.cost,
            finished_at=finished_at,
            problems=as_stored(*problems) if missing > 0 else None,
            beyond=finished.beyond,
        ):
            self._breaker.record_success(submission.id, submission.user_id)
            # The time for which its end was taken for unknown says nothing about the engine.
            if seconds is not None and submission.reopened_at is None:
                model.add(
                    seconds,
                    schedule.mark if schedule else None,
                    blind=schedule is not None and schedule.never_seen_open,
                )
            self._moved(SubmissionStatus.DONE)

    async def _tell_of_fetching(self) -> None:
        await self._clock.sleep(FETCHING_TOLD_AFTER)
        self.fetching = True
        self._changed(self.submission.job_id)

    # --- the record ---------------------------------------------------------------------------------------------

    async def _end(self, status: SubmissionStatus, why: EventReason, *problems: Text, **known: object) -> None:
        if await self._jobs.ended_free(self.submission, status, why=why, problems=as_stored(*problems), **known):
            self._moved(status)

    async def _give_up(self, why: EventReason, *problems: Text) -> None:
        """The provider does not say how it ended: its earlier result is tried once more, if there is one."""
        if self.submission.result is not None:
            await self._keep(decode_result(self.submission.result), None)
        else:
            await self._end_charged(why, *problems)

    async def _end_charged(
        self, why: EventReason, *problems: Text, charged: int = 0, fault: bool = True, **known: object
    ) -> None:
        """It was accepted, perhaps charged (millicredits), and brought nothing: free for the user, listed for admins.

        ``fault``: the service failed, as it may fail others.
        """
        if charged:
            log.error("provider.charged_for_nothing", provider=self._provider.name, millicredits=charged)
        if fault:
            self._breaker.record_failure(self.submission.id, self.submission.user_id, Reason.NO_IMAGES)
        await self._end(SubmissionStatus.UNKNOWN, why, *problems, charged=charged or self.submission.charged, **known)

    def _moved(self, status: SubmissionStatus, *, handle: Handle | None = None, sent_at: int | None = None) -> None:
        self.submission = replace(
            self.submission,
            status=status,
            handle=handle if handle is not None else self.submission.handle,
            sent_at=sent_at if sent_at is not None else self.submission.sent_at,
        )
        log.info("submission.moved", status=status.value)
        # The worker reports an end, since it knows whether the whole job is ready.
        if status not in ENDED:
            self._changed(self.submission.job_id)
