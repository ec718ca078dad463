"""Tracks the results of polls, finds lost submits, and decides when to give up. All times are seconds.

:mod:`bot.jobs.poll_schedule` decides when to poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

import structlog

from bot.clock import Clock, Elapsed
from bot.jobs.poll_schedule import PollSchedule
from bot.jobs.provider_text import provider_text
from bot.jobs.rate import Rate, at_once
from bot.providers.base import Failed, Finished, Gone, Handle, ImageRequest, PollResult, Provider, Waiting
from bot.providers.errors import Busy, ProviderError, Reason, Refused, Unreachable
from bot.providers.operations import Pictures
from bot.text import Text, message

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds without polls after a provider was busy and did not say for how long."""
DOUBTED_FOR, DOUBTED_LOOKS = 120.0, 5
"""A doubtful response counts after this many seconds and this many polls, without any other response."""
FREE_DOUBTED_FOR, FREE_DOUBTED_LOOKS = 5.0, 2
"""The same for a service that charges nothing: a mistake costs only time, and so does every further look."""

# The age of a submission from an earlier process is a guess. So it is given up only after this many seconds and polls
# in this process.
RESUMED_PATIENCE, RESUMED_POLLS = 120.0, 3

# Seconds between two attempts to find a lost submit.
FIND_EVERY = 5.0
# After the last call, giving up early has no benefit: the search takes this many times as long.
LAST_LOOK = 3

TIMED_OUT = message(
    "submission.timed_out",
    "The image service was not finished after {minutes} minutes, so we stopped waiting.",
)
NOT_HEARD = message(
    "submission.not_heard",
    "We could not get your images from the image service for {minutes} minutes, so we stopped trying.",
)

PROGRESS_EVERY = 1.5
"""The seconds between two requests for the progress of a blocking submit."""


class Doubt:
    """A response that may be temporary: while a service is being deployed, it may not find what it found before.

    The response counts after so many looks over so many ``seconds``, with no other response in between.
    """

    def __init__(self, clock: Clock, *, looks: int = DOUBTED_LOOKS, seconds: float = DOUBTED_FOR) -> None:
        self._clock = clock
        self._looks = looks
        self._seconds = seconds
        self._since: float | None = None
        self.looks = 0

    def seen(self) -> bool:
        """Record the same response once more. Returns whether it counts now."""
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        self.looks += 1
        return self.looks >= self._looks and now - self._since >= self._seconds

    def over(self) -> None:
        """Record a different response."""
        self._since, self.looks = None, 0


class PollStatus:
    """The latest response about one submission (``said``), and the error that calls currently have."""

    def __init__(self, provider: Provider, rate: Rate, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is called when a response has anything new for the card."""
        self.said = Waiting()
        self._changed = changed
        self._provider = provider
        self._rate = rate
        self._clock = clock
        # The current error of calls, and when it began (seconds by the monotonic clock).
        self._trouble: tuple[ProviderError | Failed, float] | None = None
        charges = provider.charges
        self._doubt = Doubt(clock) if charges else Doubt(clock, looks=FREE_DOUBTED_LOOKS, seconds=FREE_DOUBTED_FOR)

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None) -> Handle | Finished:
        """Send the request once. If the provider ``blocks``, ask for the progress meanwhile.

        Raises ProviderError.
        """
        if not self._provider.blocks:
            return await self._provider.submit(handle, request, pictures)
        watching = asyncio.create_task(self._watch(handle), name="progress")
        try:
            return await self._provider.submit(handle, request, pictures)
        finally:
            watching.cancel()

    async def _watch(self, handle: Handle) -> None:
        while True:
            await self._clock.sleep(PROGRESS_EVERY)
            if not self._provider.told_progress:
                await self._rate.turn()
            try:
                self.heard(await self._provider.progress(handle))
            except ProviderError as error:
                log.debug("progress.failed", provider=self._provider.name, detail=error.detail)
            except Exception:
                # A bug in the progress must not cost the image that is being made.
                log.exception("progress.crashed", provider=self._provider.name)
                return

    async def poll(self, schedule: PollSchedule, handle: Handle, request: ImageRequest) -> PollResult:
        """Poll once. If the response does not count, return the latest result that did."""
        try:
            result = await self._provider.poll(handle, request)
        except ProviderError as error:
            self.failed(error)
            schedule.failed()
            return replace(self.said, handle=None)
        if isinstance(result, Gone | Finished | Failed) and not result.sure:
            if self.doubted():
                return result
            schedule.failed()
            return replace(self.said, handle=None)
        self.answered()
        if isinstance(result, Waiting):
            schedule.still_waiting(result)
            self.heard(result)
        return result

    async def cancel(self, handle: Handle) -> None:
        """Ask the provider to stop it. If that fails, it goes on."""
        try:
            # A service that takes no more requests for a while still stops one, which makes room there.
            await self._rate.turn(at_once)
            await self._provider.cancel(handle)
        except ProviderError as error:
            log.info("cancel.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)

    async def stopped(self, handle: Handle, request: ImageRequest) -> Finished | None:
        """Stop a submission that is given up: nobody waits for it any more. Returns its finished images, or None."""
        if not self._provider.cancels:
            return None
        await self.cancel(handle)
        try:
            await self._rate.polls.turn(at_once)
            result = await self._provider.poll(handle, request)
        except ProviderError as error:
            log.info("poll.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
            return None
        return result if isinstance(result, Finished) else None

    def answered(self) -> None:
        """Record a call with a valid response."""
        self._trouble = None
        self._doubt.over()

    def doubted(self) -> bool:
        """Record a call with a doubtful response. Returns whether it has lasted long enough to count."""
        if self._trouble is None:
            self._trouble = Failed(Reason.CONTRADICTION), self._clock.monotonic()
        believed = self._doubt.seen()
        log.info("poll.doubted", provider=self._provider.name, looks=self._doubt.looks)
        return believed

    def heard(self, said: Waiting) -> None:
        """Record a report that it is not finished yet."""
        before, self.said = self.said, said
        if said != before:
            self._changed()

    def failed(self, error: ProviderError) -> None:
        """Record a failed call. Nothing is lost: the call is retried, perhaps after a pause."""
        log.info("poll.failed", provider=self._provider.name, kind=type(error).__name__, detail=error.detail)
        if isinstance(error, Busy):
            self._rate.polls.pause(error.retry_after if error.retry_after is not None else PAUSE, polls=True)
        if self._trouble is None or (self._trouble[0].reason, self._trouble[0].said) != (error.reason, error.said):
            alarm(self._provider, error)
        self._trouble = error, self._clock.monotonic() if self._trouble is None else self._trouble[1]

    @property
    def may_give_up(self) -> bool:
        """Return True if calls succeed, or have failed for longer than the provider's patience: then we may give up."""
        return self._trouble is None or self._clock.monotonic() - self._trouble[1] > self._provider.patience

    def given_up(self, minutes: int) -> list[Text]:
        """Return the texts for the author when the submission is given up after this many minutes."""
        if self._trouble is None:
            return [TIMED_OUT(minutes=minutes)]
        return [NOT_HEARD(minutes=minutes), provider_text(self._provider.label, self._trouble[0])]


class LostSubmit(Enum):
    """What became of the search for a submit whose response was lost, if it did not find it."""

    ABSENT = auto()
    """The provider certainly does not have it."""
    NOT_SEARCHED = auto()
    """Every search failed for longer than the provider's patience."""
    STOPPED = auto()


async def find_now(provider: Provider, handle: Handle, rate: Rate) -> Handle | None:
    """Look once for a submit whose response was lost, if that is possible. Raises ProviderError, but not Refused."""
    if not provider.finds_lost_submits:
        return None
    await rate.turn()
    try:
        return await provider.find(handle)
    except Refused as error:
        # The search was refused, which says nothing about the request.
        raise Unreachable(error.reason, said=error.said, detail=error.detail, values=error.values) from error


async def find_lost(
    provider: Provider,
    handle: Handle,
    rate: Rate,
    clock: Clock,
    status: PollStatus,
    *,
    last: bool,
    stopping: Callable[[], bool],
) -> Handle | LostSubmit:
    """Find a submit whose response was lost, until it is certain whether it arrived.

    ``last``: it will not be sent again, so the search takes longer.
    """
    looked = 0
    # Only time in this run counts: downtime or a clock that jumps must not be a reason to pay again.
    began = Elapsed(clock)
    lost_after = provider.lost_after * (LAST_LOOK if last else 1)
    patience = max(provider.patience, 2 * lost_after)
    while not stopping():
        try:
            await rate.turn(at_once)
            looked_for = began.here
            found = await provider.find(handle)
            looked += 1
        except ProviderError as error:
            status.failed(error)
            if began.here > patience:
                return LostSubmit.NOT_SEARCHED
            await clock.sleep(FIND_EVERY)
            continue
        status.answered()
        if found is not None:
            return found
        if looked >= 2 and looked_for >= lost_after:
            return LostSubmit.ABSENT
        pause = min(lost_after - looked_for, provider.lost_after)
        await clock.sleep(FIND_EVERY if looked < 2 else max(FIND_EVERY, pause))
    return LostSubmit.STOPPED


def waited_enough(provider: Provider, sent: Elapsed, polls: int, found: Elapsed | None) -> bool:
    """Return whether a submission may be given up after this time and this number of polls that found it open.

    ``found`` is the time since a lost submit was found, if it was lost: it may have arrived only just before.
    """
    patience = provider.patience
    if found is not None and found.here <= patience:
        return False
    if sent.guessed and (polls < RESUMED_POLLS or sent.here <= min(patience, RESUMED_PATIENCE)):
        return False
    return sent.total > patience


def alarm(provider: Provider, error: ProviderError) -> None:
    """Log an error that only the operator can fix, at level ERROR."""
    if isinstance(error, Refused) and error.operator:
        log.error("provider.needs_operator", provider=provider.name, reason=error.reason.value, detail=error.detail)
