"""What those who manage a server may know of it: what is spent, by whom, what runs now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.domain.periods import Span, span
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.circuit_breaker import Outage
from bot.jobs.limits import LimitKind, LimitUse, uses_of
from bot.jobs.service import JobService
from bot.jobs.worker import Worker
from bot.servers.export import Table
from bot.servers.report_pages import ReportPage, page_of
from bot.servers.settings import Servers, require_manager
from bot.text import Text
from storage import ledger, reports, running, server_settings
from storage.database import Database
from storage.entries import entries
from storage.ledger import Balance
from storage.pools import apart
from storage.reports import DAY, By, Figures, Line, Scope
from storage.running import Request

log = structlog.get_logger(__name__)

ENGINES_AT_MOST = 25
FAILURES_SHOWN = 8
RUNNING_AT_MOST = 500
UNKNOWN_DAYS = 30
UNKNOWN_SHOWN = 10

OWNER_ONLY = "Only whoever runs this bot can see all servers."


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a report: from where, whether they run the bot, and whether they mean all servers."""

    origin: Origin
    owner: bool = False
    everywhere: bool = False

    def server_id(self) -> int | None:
        """The server that they may know of, None for all. Raises UserError where they may not."""
        if self.everywhere:
            if not self.owner:
                raise UserError(OWNER_ONLY)
            return None
        if self.owner and self.origin.server_id is not None:
            return self.origin.server_id
        return require_manager(self.origin)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """One page of a report, and how much is used of each limit on all people together."""

    span: Span
    by: By
    everywhere: bool
    page: ReportPage
    uses: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class PersonReport:
    """One person: their figures, by engine, what was granted to them here, and what went wrong lately."""

    user_id: int
    span: Span
    everywhere: bool
    totals: Figures
    engines: tuple[Line, ...]
    grants: Balance | None
    failures: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """What is unfinished, oldest first, which services are out, and what came to an unknown end lately."""

    requests: tuple[Request, ...]
    outages: tuple[Outage, ...]
    unknown: tuple[Request, ...]
    everywhere: bool
    now: int


class Reports:
    """The verbs of /usage."""

    def __init__(
        self, *, database: Database, service: JobService, worker: Worker, servers: Servers, clock: Clock
    ) -> None:
        self._database = database
        self._service = service
        self._worker = worker
        self._servers = servers
        self._clock = clock
        self._exporting = asyncio.Lock()

    # --- what was spent -----------------------------------------------------------------------------------------

    async def report(self, asker: Asker, period: str, by: By, page: int = 1) -> UsageReport:
        """A page of the report; the last one there is, if ``page`` is beyond it.

        Raises UserError for an invalid period, and if the asker may not see the report.
        """
        server_id = asker.server_id()
        now = self._clock.now()
        asked = span(period, now)
        scope = Scope(server_id, None, asked.since, asked.until)
        found = await page_of(self._database, by, scope, page, now)
        async with self._database.read() as connection:
            kinds = (LimitKind.BOT_DAILY,) if server_id is None else (LimitKind.SERVER_MONTHLY, LimitKind.SERVER)
            shared = self._servers.shared_limits(server_id).of(*kinds)
            uses = await uses_of(connection, shared, user_id=None, server_id=server_id, now=now)
        return UsageReport(asked, by, asker.everywhere, found, uses)

    async def person(self, asker: Asker, user_id: int, period: str) -> PersonReport:
        """What one person did. Raises UserError like :meth:`report`."""
        server_id = asker.server_id()
        asked = span(period, self._clock.now())
        scope = Scope(server_id, user_id, asked.since, asked.until)
        async with self._database.read() as connection:
            found = await reports.report(connection, By.ENGINE, scope, limit=ENGINES_AT_MOST)
            failures = await running.failures_of(connection, user_id=user_id, server_id=server_id, limit=FAILURES_SHOWN)
            grants = None
            if server_id is not None:
                grants = await ledger.balance(connection, user_id=user_id, server_id=server_id)
        return PersonReport(user_id, asked, asker.everywhere, found.totals, tuple(found.lines), grants, tuple(failures))

    async def export(self, asker: Asker, period: str) -> tuple[str, bytes]:
        """All entries as a file for a spreadsheet program: its name and content.

        Raises UserError like :meth:`report`, and where it is too much for a file.
        """
        server_id = asker.server_id()
        asked = span(period, self._clock.now())
        table = Table(asker.origin.file_limit)
        # One table at a time: each takes a thread, and memory.
        async with self._exporting, self._database.read() as connection:
            async for some in entries(connection, Scope(server_id, None, asked.since, asked.until)):
                await apart(table.add, some)
        whose = "all-servers" if server_id is None else str(server_id)
        name = f"easel-{whose}-{asked.name.replace(' ', '-').replace('..', '-to-')}"
        return await apart(table.finished, name)

    # --- what runs now ------------------------------------------------------------------------------------------

    async def running(self, asker: Asker) -> Running:
        """Everything unfinished now. Raises UserError if the asker may not see it."""
        server_id = asker.server_id()
        now = self._clock.now()
        async with self._database.read() as connection:
            open_ones = await running.unfinished(connection, server_id=server_id, limit=RUNNING_AT_MOST)
            since = now - UNKNOWN_DAYS * DAY
            lost = await running.unknown(connection, server_id=server_id, since=since, limit=UNKNOWN_SHOWN)
        return Running(tuple(open_ones), tuple(self._worker.outages()), tuple(lost), asker.everywhere, now)

    async def cancel(self, asker: Asker, job_id: int) -> Text:
        """Drop what has not been sent of somebody's job, and say what that meant.

        Raises UserError where there is no such job in the server, and for whoever may not.
        """
        server_id = asker.server_id()
        done = await self._service.cancel_as_admin(job_id, server_id=server_id)
        job = done.job
        if done.dropped and job.server_id is not None:
            async with self._database.write() as tx:
                details = {"job": job_id, "subject": "user", "id": str(job.user_id)}
                await server_settings.note(
                    tx,
                    server_id=job.server_id,
                    user_id=asker.origin.user_id,
                    what="usage cancel",
                    details=details,
                    at=self._clock.now(),
                )
        return done.text
