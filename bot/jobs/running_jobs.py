"""The refusal of one more job because of those that are running, which it lists so that one can be cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog

from bot.domain.place import Origin
from bot.errors import NotMade, Problem, UserError
from bot.jobs.limits import TOO_MANY_JOBS, TOO_MANY_JOBS_HERE
from bot.jobs.store import JobStore
from bot.jobs.view import JobView, load_all
from storage import jobs
from storage.errors import StorageError

log = structlog.get_logger(__name__)

LISTED = 8
"""The maximum number of jobs that a refusal lists."""


class TooManyJobs(NotMade):
    """The person has too many running jobs. ``running`` are the oldest of them."""

    def __init__(self, *problems: Problem, running: Iterable[JobView]) -> None:
        super().__init__(*problems)
        self.running = tuple(running)


@asynccontextmanager
async def listing_running(store: JobStore, origin: Origin) -> AsyncIterator[None]:
    """Turn a UserError that is about running jobs into TooManyJobs within the block; other errors pass."""
    try:
        yield
    except UserError as error:
        codes = {problem.code for problem in error.problems}
        if codes.isdisjoint({TOO_MANY_JOBS.code, TOO_MANY_JOBS_HERE.code}):
            raise
        server_id = None if TOO_MANY_JOBS.code in codes else origin.server_id
        try:
            async with store.database.read() as connection:
                found = await jobs.running_jobs(connection, origin.user_id, server_id=server_id, limit=LISTED)
                running = await load_all(connection, found, store.providers)
        except StorageError as failure:
            log.warning("running_jobs.not_read", reason=str(failure))
            raise error from failure
        raise TooManyJobs(*error.problems, running=running) from error
