"""The queue of submissions that wait to be sent, in round-robin order over users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from bot.clock import Clock, Elapsed
from bot.jobs.polling import Doubt
from bot.jobs.store import JobStore
from storage import submissions as rows
from storage.records import Submission

READ_AT_ONCE = 1000
"""The maximum number of submissions per provider that are read at a time."""


class Queue:
    """The queued submissions, as last read from the database.

    They are read again only after something was added or has become due. Most wake-ups of the worker are for something
    that ended.
    """

    def __init__(self, jobs: JobStore, clock: Clock) -> None:
        self._jobs = jobs
        self._clock = clock
        self.waiting: list[Submission] = []
        """The due submissions that have not been started, in fair order. The worker sets it."""
        self._waited: dict[int, Elapsed] = {}
        self._doubts: dict[int, Doubt] = {}
        # The sequence number of the latest start, for each user who waits.
        self._served: dict[int, int] = {}
        self._starts = 0
        # When the next postponed submission becomes due, by the monotonic clock.
        self._later: float | None = None
        # The providers with more queued submissions than were read.
        self._longer: set[str] = set()
        self._stale = True

    @property
    def next_in(self) -> float | None:
        """Return the seconds until the next postponed submission becomes due."""
        return None if self._later is None else max(0.0, self._later - self._clock.monotonic())

    def added(self) -> None:
        """Note that there may be submissions that were not read yet."""
        self._stale = True

    def waited(self, submission: Submission) -> Elapsed:
        """Return how long it has been waiting."""
        return self._waited.get(submission.id) or Elapsed.since(self._clock, submission.created_at)

    def doubt(self, submission: Submission) -> Doubt:
        """Return the doubt about its provider's 404s, shared by all of its attempts."""
        return self._doubts.setdefault(submission.id, Doubt(self._clock))

    def place(self, job_id: int) -> int | None:
        """Return the position of the job's next submission in its provider's queue. The next one to be sent has 1."""
        passed: Counter[str] = Counter()
        for submission in self.waiting:
            passed[submission.provider] += 1
            if submission.job_id == job_id:
                return passed[submission.provider]
        return None

    async def due(self, running: Collection[int]) -> list[Submission]:
        """Read the submissions that may be sent now, oldest first, READ_AT_ONCE per provider. Raises StorageError.

        Some may have been cancelled since they were read: the guard of their first step notices. ``running`` are the
        ids of those that are being worked on and may return to the queue.
        """
        now = self._clock.monotonic()
        if not self._stale and not self._running_out() and (self._later is None or self._later > now):
            return self.waiting
        # A submission that is added from here on may be missing from the result.
        self._stale = False
        later = self._jobs.steps.next_attempts
        fallen_due = [id_ for id_, at in later.items() if at <= now]
        try:
            async with self._jobs.database.read() as connection:
                due = await rows.queued(connection, due=fallen_due, limit=READ_AT_ONCE)
        except BaseException:
            # Whatever happened, even a cancellation of this task: the next call must read everything again.
            self._stale = True
            raise
        read = Counter(submission.provider for submission in due)
        self._longer = {provider for provider, number in read.items() if number >= READ_AT_ONCE}
        found = {submission.id for submission in due}
        if not self._longer:
            for id_ in fallen_due:
                if id_ not in found and id_ not in running:
                    later.pop(id_, None)  # The submission was cancelled.
        self._later = min((at for at in later.values() if at > now), default=None)
        self._waited = {
            id_: since for id_, since in self._waited.items() if id_ in found or id_ in later or id_ in running
        }
        self._doubts = {id_: doubt for id_, doubt in self._doubts.items() if id_ in self._waited}
        for submission in due:
            self._waited.setdefault(submission.id, self.waited(submission))
        return due

    def started(self, user_id: int) -> None:
        """Record that a submission of this user has just been started."""
        self._starts += 1
        self._served[user_id] = self._starts

    def fair_order(self, due: Sequence[Submission], running: Iterable[int]) -> list[Submission]:
        """Sort round robin: the first of each user, then the second of each. The user served longest ago goes first.

        ``running`` has the user of each submission that is on its way. Each counts as a turn that the user has had.
        """
        users = {submission.user_id for submission in due}
        self._served = {user: number for user, number in self._served.items() if user in users}
        turns = Counter(running)
        ordered = []
        for submission in due:
            user = submission.user_id
            ordered.append((turns[user], self._served.get(user, 0), submission.created_at, submission.id, submission))
            turns[user] += 1
        return [submission for *_, submission in sorted(ordered, key=lambda entry: entry[:4])]

    def _running_out(self) -> bool:
        """Return whether so few of the read submissions are left that more should be read."""
        if not self._longer:
            return False
        left = Counter(submission.provider for submission in self.waiting)
        return any(left[provider] <= READ_AT_ONCE // 2 for provider in self._longer)
