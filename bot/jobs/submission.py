"""Runs one submission: prepare, submit once, find it if the response was lost, poll, fetch the images, store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.clock import Clock, Elapsed
from bot.domain.requests import decode_request
from bot.jobs.circuit_breaker import CircuitBreaker
from bot.jobs.image_fetcher import ImageFetcher
from bot.jobs.late_images import decode_result
from bot.jobs.poll_schedule import PollSchedule
from bot.jobs.polling import Doubt, LostSubmit, PollStatus, alarm, find_lost, find_now, waited_enough
from bot.jobs.provider_text import INTERRUPTED, QUEUED_TOO_LONG, STOPPED, UNKNOWN, as_stored, provider_text
from bot.jobs.rate import Rate
from bot.jobs.sources import PictureUnusable, Sources
from bot.jobs.store import CANCELLED, CANCELLED_SENT, JobStore
from bot.providers.base import Failed, Finished, Gone, Handle, Provider, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge
from bot.providers.operations import Pictures
from bot.text import Text
from storage.images import ImageFiles
from storage.records import ENDED, ON_THEIR_WAY, EventReason, Submission, SubmissionStatus

log = structlog.get_logger(__name__)

# Seconds after which an unsent submission is given up, free: in total, which may be a guess, and in this process.
QUEUED_AT_MOST, QUEUED_HERE = 3600.0, 600.0
# Seconds before a submission that certainly did not arrive is sent again; the last value is repeated.
BACKOFF = (2.0, 5.0, 15.0, 30.0, 60.0)
# A request without a response is sent again if the provider does not find it: this many calls in total.
MOST_SENDINGS, MOST_FREE_SENDINGS = 2, 5


class SubmissionRun:
    """Takes one submission from its current status to its end.

    Every step is stored before and after its call, so another run can resume after a crash at any point. The response
    to a paid call stays in memory until it is stored: after a StorageError the same run can be repeated without loss.
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
        sources: Sources,
        clock: Clock,
        changed: Callable[[int], None],
        waited: Elapsed,
        not_found: Doubt,
    ) -> None:
        """``waited`` is how long it has been queued. ``not_found`` outlives this run: see :meth:`_not_sent`."""
        self.submission = submission
        self.polls = PollStatus(provider, rate, clock, lambda: changed(submission.job_id))
        self.fetching = False
        self.stopping = False
        self._calling = False
        # The response to the paid call and the seconds it took, until it is stored.
        self._answer: tuple[Handle | Finished | ProviderError, float] | None = None
        # Since a lost submit was found. It may have arrived only just before.
        self._found: Elapsed | None = None
        self._cancelled = submission.cancelled_at is not None
        # Why it may have fewer images than it asked for.
        self._cut_short: list[Text] = [STOPPED()] if self._cancelled else []
        # Why it cannot be sent again. Recorded as its end if the earlier call cannot be found either.
        self._no_retry: tuple[EventReason, Text] | None = None
        # An earlier process was sending it.
        self._interrupted = submission.status is SubmissionStatus.SUBMITTING
        self._steps = jobs.steps
        self._durations = jobs.durations
        self._provider = provider
        self._rate = rate
        self._breaker = breaker
        self._images = ImageFetcher(provider, rate, files, clock, slow=self._tell_of_fetching)
        self._sources = sources
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
        """Whether a paid call is in progress or its response is not stored yet. Then shutdown should wait for it."""
        return (self._calling and self._provider.charges) or self._answer is not None

    @property
    def resumable(self) -> bool:
        """Whether it can continue after a bug: its outcome is known or can be looked up free of charge."""
        known = self._answer is not None or self.submission.status is SubmissionStatus.RENDERING
        free = self._provider.finds_lost_submits or not self._provider.charges
        return known or (self.submission.sendings > 0 and free)

    async def run(self) -> None:
        """Run until the submission has ended or was postponed, or the program stops. Raises StorageError."""
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
                self._no_retry = EventReason.NOT_SENT_AGAIN, UNKNOWN()
                await self._find_or_give_up()
            else:
                await self._end(SubmissionStatus.FAILED, EventReason.QUEUED_TOO_LONG, QUEUED_TOO_LONG())
            return
        try:
            handle = submission.handle
            if handle is None:
                await self._rate.turn()
                handle = await self._provider.prepare(self._request)
                # If the next step fails, this handle is reused.
                self.submission = replace(submission, handle=handle)
            # It may have waited for a while, and arrived meanwhile.
            elif self._lost and (found := await find_now(self._provider, handle, self._rate)) is not None:
                await self._take(found)
                return
            async with self._sources.prepared(self._request, submission.id) as pictures:
                await self._rate.turn()
                await self._send_now(handle, pictures)
        except ProviderError as error:
            self._breaker.record_error(submission.id, submission.user_id, error)
            await self._not_sent(error)
        except PictureUnusable as error:
            await self._end(SubmissionStatus.FAILED, EventReason.REFUSED, error.text)

    async def _send_now(self, handle: Handle, pictures: Pictures | None) -> None:
        self._calling = True
        try:
            if self.stopping or not await self._steps.sending(self.submission, handle):
                return
            self.submission = replace(self.submission, sendings=self.submission.sendings + 1)
            self._moved(SubmissionStatus.SUBMITTING, handle=handle, sent_at=self._clock.now())
            self.sent = Elapsed(self._clock)
            if self._cancelled:
                await self._end_cancelled(lost=self._lost)
            else:
                await self._pay(handle, pictures, self.sent)
        finally:
            self._calling = False

    async def _pay(self, handle: Handle, pictures: Pictures | None, sent: Elapsed) -> None:
        answer: Handle | Finished | ProviderError
        try:
            answer = await self.polls.submit(handle, self._request, pictures)
        except OutcomeUnknown as error:
            if error.reason is Reason.CANCELLED:
                self._no_retry = EventReason.CANCELLED, CANCELLED_SENT()
            else:
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
        """Store the response to the paid call, which took ``seconds``. It stays in memory until that succeeds."""
        self._answer = answer, seconds
        if isinstance(answer, ProviderError):
            await self._not_sent(answer)
        elif isinstance(answer, Finished):
            await self._keep(answer, seconds)
        elif await self._steps.accepted(self.submission, answer, why=EventReason.ACCEPTED):
            self._moved(SubmissionStatus.RENDERING, handle=answer)
        self._answer = None

    async def _not_sent(self, error: ProviderError) -> None:
        """End a submission that was certainly not accepted, or queue it again. NotFound counts only if it persists."""
        log.info("submit.refused", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        smaller = isinstance(error, TooLarge) and self._sources.shrink(self.submission.id)
        if isinstance(error, TooLarge) and not smaller:
            error = Refused(error.reason, detail=error.detail)
        passing = isinstance(error, NotFound) and not self._not_found.seen()
        if not isinstance(error, NotFound):
            self._not_found.over()
        if error.reason is Reason.CANCELLED:
            await self._end(SubmissionStatus.CANCELLED, EventReason.CANCELLED, STOPPED())
        elif isinstance(error, Refused) and not passing:
            alarm(self._provider, error)
            await self._end_unsent(EventReason.REFUSED, provider_text(self._provider.label, error))
        elif self._cancelled:
            await self._end_unsent(EventReason.CANCELLED, CANCELLED_SENT())
        else:
            await self._postpone(error, smaller=smaller)

    async def _end_unsent(self, why: EventReason, problem: Text) -> None:
        """End it, unless an earlier call may have arrived."""
        if self._lost and self._provider.charges:
            self._no_retry = why, problem
            await self._find_or_give_up()
        elif why is EventReason.CANCELLED:
            await self._end_cancelled(lost=self._lost)
        else:
            await self._end(SubmissionStatus.FAILED, why, problem)

    async def _postpone(self, error: ProviderError, *, smaller: bool) -> None:
        """Queue it again. ``smaller``: at once, with smaller pictures."""
        seconds = 0.0 if smaller else BACKOFF[min(self.submission.attempts, len(BACKOFF) - 1)]
        why = EventReason.TOO_LARGE if smaller else EventReason.UNREACHABLE
        if isinstance(error, NotFound):
            why = EventReason.NOT_FOUND
        elif isinstance(error, Busy):
            why = EventReason.BUSY
            seconds = error.retry_after if error.retry_after is not None else seconds
            self._rate.pause(seconds, polls=False)
        if await self._steps.postpone(self.submission, seconds=seconds, why=why, handle=self.submission.handle):
            self._moved(SubmissionStatus.QUEUED)

    # --- a submit whose response was lost -----------------------------------------------------------------------

    async def _find_or_give_up(self) -> None:
        """Look for it. If it certainly did not arrive, or is free, send it again, unless it was resent too often."""
        # The database already knows that it was sent, so nothing is lost if this is interrupted.
        self._calling, self._answer = False, None
        handle = self.submission.handle
        last = not self._may_send_again
        if not self._provider.finds_lost_submits or handle is None:
            if last or self._provider.charges:
                await self._end_unknown(EventReason.NO_ANSWER)
            else:
                await self._send_again(EventReason.NO_ANSWER)
            return
        found = await find_lost(
            self._provider, handle, self._rate, self._clock, self.polls, last=last, stopping=lambda: self.stopping
        )
        match found:
            case LostSubmit.ABSENT if last:
                await self._end_unknown(EventReason.LOST_TWICE)
            case LostSubmit.ABSENT:
                await self._send_again(EventReason.NOT_ARRIVED)
            case LostSubmit.NOT_SEARCHED:
                await self._end_unknown(EventReason.NOT_LOOKED_FOR)
            case dict():
                await self._take(found)

    @property
    def _may_send_again(self) -> bool:
        most = MOST_SENDINGS if self._provider.charges else MOST_FREE_SENDINGS
        return self._no_retry is None and self.submission.sendings < most

    async def _send_again(self, why: EventReason) -> None:
        """Queue it once more: at once if it costs money and surely did not arrive, else after a pause."""
        if self._cancelled:
            await self._end_cancelled(lost=why is EventReason.NO_ANSWER)
            return
        pause = 0.0 if self._provider.charges else BACKOFF[min(self.submission.attempts, len(BACKOFF) - 1)]
        if await self._steps.postpone(self.submission, seconds=pause, why=why, lost=True):
            self._moved(SubmissionStatus.QUEUED)

    async def _end_unknown(self, why: EventReason) -> None:
        """End it as unknown: for the reason why it could not be sent again if there is one, else for ``why``."""
        why, problem = self._no_retry or (why, (INTERRUPTED if self._interrupted else UNKNOWN)())
        await self._end(SubmissionStatus.UNKNOWN, why, problem)

    async def _take(self, found: Handle) -> None:
        """Store that the provider has it."""
        if await self._steps.accepted(self.submission, found, why=EventReason.FOUND):
            self._found = Elapsed(self._clock)
            self._moved(SubmissionStatus.RENDERING, handle=found)

    @property
    def _lost(self) -> bool:
        """Whether the response to an earlier call was lost, not counting a call in progress."""
        return self.submission.sendings > (self.submission.status is SubmissionStatus.SUBMITTING)

    # --- polling ------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        handle = self.submission.handle
        sent = self.sent
        if handle is None or sent is None:
            raise RuntimeError("a rendering submission has neither handle nor time of sending")
        polls = 0
        if self._cancelled:
            await self.polls.cancel(handle)  # It could not be stopped before the provider had it.
        model = await self._durations.of(self._request)
        shortest, at_once = self._provider.shortest_poll, self._poll_at_once
        rate, pushed = self._rate.polls, self._provider.pushed(handle)
        # If this is interrupted, the next run polls at once.
        self._poll_at_once = True
        with PollSchedule(
            model, rate, self._clock, sent=sent, shortest=shortest, at_once=at_once, pushed=pushed
        ) as schedule:
            while not self.stopping:
                await schedule.turn()
                result = await self.polls.poll(schedule, handle, self._request)
                match result:
                    case Finished():
                        await self._keep(result, schedule.known_duration(self._provider.patience), schedule)
                        return
                    case Failed() | Gone():
                        await self._nothing_made(result)
                        return
                    case Waiting():
                        polls += 1
                        if waited_enough(self._provider, sent, polls, self._found) and self.polls.may_give_up:
                            self._cut_short = self.polls.given_up(round(sent.total / 60))
                            if (so_far := await self.polls.stopped(handle, self._request)) is not None:
                                await self._keep(so_far, None)
                            else:
                                await self._give_up(EventReason.TIMED_OUT, *self._cut_short)
                            return
                        charged = result.charged or self.submission.charged
                        if result.handle is not None or charged != self.submission.charged:
                            handle = result.handle or handle
                            if not await self._steps.learnt(self.submission, handle, charged):
                                return
                            self.submission = replace(self.submission, handle=handle, charged=charged)

    async def _nothing_made(self, failed: Failed | Gone) -> None:
        cancelled = isinstance(failed, Failed) and failed.reason is Reason.CANCELLED
        if self.submission.result is not None and not cancelled:
            # It was reopened, and its images had been made: they may still be at their addresses.
            await self._give_up(EventReason.GONE, UNKNOWN())
            return
        if isinstance(failed, Gone):
            if not self._provider.charges and self._may_send_again:
                await self._send_again(EventReason.GONE)
            else:
                await self._end_charged(EventReason.GONE, UNKNOWN())
            return
        self._breaker.check_abuse(self.submission.user_id, failed)
        told = provider_text(self._provider.label, failed)
        if failed.charged:
            # The service made the images, or withheld them after a check: that is not a failure.
            await self._end_charged(EventReason.NOTHING_MADE, told, charged=failed.charged, fault=False)
        elif cancelled:
            await self._end(SubmissionStatus.CANCELLED, EventReason.CANCELLED, STOPPED())
        else:
            await self._end(SubmissionStatus.FAILED, EventReason.FAILED, told)

    async def cancel(self) -> None:
        """Ask the provider to stop it, and do not send it again. A poll or the answer to the submit tells its end."""
        self._cancelled, self._cut_short = True, [STOPPED()]
        if self.submission.handle is not None and self.submission.status in ON_THEIR_WAY:
            await self.polls.cancel(self.submission.handle)

    # --- the images ---------------------------------------------------------------------------------------------

    async def _keep(self, finished: Finished, seconds: float | None, schedule: PollSchedule | None = None) -> None:
        """Fetch and store the images. ``seconds`` is the time in which they were made, if known."""
        submission = self.submission
        before = await self._steps.positions(submission)
        fetched = await self._images.fetch(submission, finished, before, cut_short=self._cut_short)
        if not before and not fetched.kept:
            await self._end_charged(
                EventReason.NO_IMAGES,
                *fetched.problems,
                charged=finished.cost.millicredits + finished.beyond,
                fault=not all(image.filtered for image in finished.images),
                result=fetched.later.result or submission.result,
                waits_for=fetched.later.waits_for,
            )
            return
        if finished.beyond:
            log.error("provider.charged_twice", provider=self._provider.name, millicredits=finished.beyond)
        # Read before this submission is stored, or it would count twice.
        model = await self._durations.of(self._request)
        if await self._steps.done(
            submission,
            fetched.kept,
            finished.cost,
            seconds=seconds,
            problems=as_stored(*fetched.problems) or None,
            beyond=finished.beyond,
            later=fetched.later,
        ):
            self._breaker.record_success(submission.id, submission.user_id)
            self._breaker.check_abuse(submission.user_id, finished)
            # The time for which its outcome was considered unknown says nothing about the engine.
            if seconds is not None and submission.reopened_at is None:
                learn = model.add if schedule is None else schedule.learn
                learn(seconds)
            self._moved(SubmissionStatus.DONE)

    def _tell_of_fetching(self) -> None:
        self.fetching = True
        self._changed(self.submission.job_id)

    # --- the record ---------------------------------------------------------------------------------------------

    async def _end(self, status: SubmissionStatus, why: EventReason, *problems: Text, **known: object) -> None:
        ended = await self._steps.ended_free(self.submission, status, why=why, problems=as_stored(*problems), **known)
        if ended is not None:
            self._moved(ended)

    async def _end_cancelled(self, *, lost: bool) -> None:
        """End it in place of sending it, because it was cancelled. ``lost``: an earlier call may have arrived."""
        status, told = (SubmissionStatus.UNKNOWN, CANCELLED_SENT) if lost else (SubmissionStatus.CANCELLED, CANCELLED)
        await self._end(status, EventReason.CANCELLED, told(), handle=None)

    async def _give_up(self, why: EventReason, *problems: Text) -> None:
        """Give up because the provider does not report the outcome. An earlier result is tried once more, if any."""
        if self.submission.result is not None:
            await self._keep(decode_result(self.submission.result), None)
        else:
            await self._end_charged(why, *problems)

    async def _end_charged(
        self, why: EventReason, *problems: Text, charged: int = 0, fault: bool = True, **known: object
    ) -> None:
        """End a submission that was accepted, perhaps charged (millicredits), but made nothing. The user pays nothing.

        Admins see it in their list. ``fault``: the service failed in a way that may affect others too.
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
        # The worker reports an end, because it knows whether the whole job is ready.
        if status not in ENDED:
            self._changed(self.submission.job_id)
