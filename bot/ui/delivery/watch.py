"""Reports to somebody who waits for the delivery of a certain job, such as the test of /setup."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeAlias

import structlog

Report: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)

WATCHED_AT_MOST = 500


class DeliveryWatch:
    """Delivers jobs by ``deliver``, and then calls the report of each job that is watched. In memory only."""

    def __init__(self, deliver: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        self._deliver = deliver
        self._watched: OrderedDict[int, tuple[Report, Context]] = OrderedDict()

    def add(self, job_id: int, report: Report) -> None:
        """Call ``report`` once after the job was delivered or could not be, in the language of the caller."""
        self._watched[job_id] = report, copy_context()
        while len(self._watched) > WATCHED_AT_MOST:
            self._watched.popitem(last=False)

    async def deliver(self, job_id: int) -> None:
        """Deliver a finished job. Raises what ``deliver`` raises; the report then waits for the next attempt."""
        await self._deliver(job_id)
        await self.report(job_id)

    async def report(self, job_id: int) -> None:
        """Call the job's report, if there is one. A report that fails is logged."""
        report, context = self._watched.pop(job_id, (None, None))
        if report is None:
            return
        try:
            await asyncio.create_task(report(), context=context)
        except Exception:
            # The job itself is delivered, and its author sees the result.
            log.exception("delivery.not_reported", job=job_id)
