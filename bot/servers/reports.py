"""Reports for a server's managers, the operator, and one person's spending: the work of /usage and /credits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import structlog

from bot.clock import Clock
from bot.domain.periods import Period, Span, current, milliseconds, span
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.circuit_breaker import Outage
from bot.jobs.limits import LimitKind, LimitUse, uses_of
from bot.jobs.service import JobService
from bot.jobs.worker import ServiceState, Worker
from bot.servers.export import Table
from bot.servers.settings import Servers, require_manager
from bot.text import Text, message
from storage import ledger, reports, settings
from storage.database import AsyncConnection, Database
from storage.ledger import Balance, Scope
from storage.pools import apart
from storage.records import ON_THEIR_WAY, SubmissionStatus
from storage.reports import DAY, HOUR, By, Figures, Line, Request, Spent

log = structlog.get_logger(__name__)

LINES = 10
"""The number of lines on one page of a report."""
ENGINES_AT_MOST = 25
THREADS_AT_MOST = 8
FAILURES_SHOWN = 8
RUNNING_AT_MOST = 500
UNKNOWN_DAYS = 30
UNKNOWN_SHOWN = 10

DAYS_AT_MOST = 92
"""A chart that covers more days has one bar for each month."""
LONG_DAYS = 2 * 366
"""A chart that covers more days begins with the month of the first spending."""

# The limit on the whole bot is shown to the operator only.
PERSONAL_LIMITS = (
    LimitKind.USER_DAILY,
    LimitKind.SERVER_USER,
    LimitKind.SERVER,
    LimitKind.SERVER_MONTHLY,
    LimitKind.FREE_DAILY,
    LimitKind.FREE_USER,
    LimitKind.FREE_SERVER,
)

OPERATOR_ONLY = message("reports.operator_only", "Only the bot's operator can see all servers.")
CANCEL_OUTCOME = message("reports.cancel_outcome", "Job {job:plain}: {outcome}")


@dataclass(frozen=True, slots=True)
class Asker:
    """The person who requests a report, whether they are the operator, and whether they want all servers."""

    origin: Origin
    owner: bool = False
    everywhere: bool = False

    def server_id(self) -> int | None:
        """The server that the report is about; None for all. Raises UserError if they may not see it."""
        if self.everywhere:
            if not self.owner:
                raise UserError(OPERATOR_ONLY)
            return None
        if self.owner and self.origin.server_id is not None:
            return self.origin.server_id
        return require_manager(self.origin)


class Step(StrEnum):
    """The time that one bar of a chart covers."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was spent over time, one bar for each step up to ``until`` (Unix milliseconds, exclusive)."""

    step: Step
    bars: tuple[Spent, ...]
    until: int


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The overall figures, and the lines of page ``number``. Only reports by person or day have a timeline."""

    totals: Figures
    lines: tuple[Line, ...]
    count: int
    number: int
    timeline: Timeline | None = None

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // LINES))


@dataclass(frozen=True, slots=True)
class UsageReport:
    """One page of a report, and the use of the shared limits."""

    span: Span
    by: By
    everywhere: bool
    page: ReportPage
    uses: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True)
class PersonReport:
    """One person for an admin: figures in total and by engine, extra credits, and the latest failures."""

    user_id: int
    span: Span
    everywhere: bool
    totals: Figures
    engines: tuple[Line, ...]
    grants: Balance | None
    failures: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class CreditsReport:
    """One person's spending everywhere, in millicredits. ``in_flight`` is held for unfinished jobs.

    The other fields apply to the place where the person asks: ``limits``, ``grants`` (None in direct messages), and the
    maximum number of unfinished ``jobs`` and of ``images`` per job (None: no limit).
    """

    span: Span
    totals: Figures
    timeline: Timeline | None
    in_flight: int
    engines: tuple[Line, ...]
    threads: tuple[tuple[str, int], ...]
    limits: tuple[LimitUse, ...]
    grants: Balance | None
    jobs: int
    images: int | None


@dataclass(frozen=True, slots=True)
class Running:
    """Unfinished requests (oldest first), services with an outage, and recent requests with an unknown outcome.

    ``services`` are those that tell about their servers. ``stoppable`` are the providers that can stop a request that
    was sent.
    """

    requests: tuple[Request, ...]
    services: tuple[ServiceState, ...]
    outages: tuple[Outage, ...]
    unknown: tuple[Request, ...]
    everywhere: bool
    now: int
    stoppable: frozenset[str] = frozenset()

    @property
    def cancellable(self) -> tuple[int, ...]:
        """The jobs with a request that can still be cancelled, oldest first."""
        return tuple(dict.fromkeys(each.job_id for each in self.requests if self._can_be_cancelled(each)))

    def _can_be_cancelled(self, request: Request) -> bool:
        sent = request.status in ON_THEIR_WAY
        return request.status is SubmissionStatus.QUEUED or (sent and request.provider in self.stoppable)


class Reports:
    """Makes the reports."""

    def __init__(
        self, *, database: Database, service: JobService, worker: Worker, servers: Servers, clock: Clock
    ) -> None:
        self._database = database
        self._service = service
        self._worker = worker
        self._servers = servers
        self._clock = clock
        self._exporting = asyncio.Lock()

    # --- spending -----------------------------------------------------------------------------------------------

    async def report(self, asker: Asker, period: str, by: By, page: int = 1) -> UsageReport:
        """Return a page of the report, or the last page if ``page`` is beyond it.

        Raises UserError for an invalid period, and if the asker may not see the report.
        """
        server_id = asker.server_id()
        now = self._clock.now()
        asked = span(period, now)
        of_server = (LimitKind.SERVER_MONTHLY, LimitKind.SERVER, LimitKind.FREE_SERVER)
        kinds = (LimitKind.BOT_DAILY,) if server_id is None else of_server
        shared = self._servers.shared_limits(server_id).of(*kinds)
        async with self._database.read() as connection:
            found = await page_of(connection, by, Scope(server_id, None, asked.since, asked.until), page, now)
            uses = await uses_of(connection, shared, user_id=None, server_id=server_id, now=now)
        return UsageReport(asked, by, asker.everywhere, found, uses)

    async def person(self, asker: Asker, user_id: int, period: str) -> PersonReport:
        """Return one person's report. Raises UserError like :meth:`report`."""
        server_id = asker.server_id()
        asked = span(period, self._clock.now())
        scope = Scope(server_id, user_id, asked.since, asked.until)
        async with self._database.read() as connection:
            found = await reports.report(connection, By.ENGINE, scope, limit=ENGINES_AT_MOST)
            failures = await reports.failures_of(connection, user_id=user_id, server_id=server_id, limit=FAILURES_SHOWN)
            grants = await _grants(connection, user_id, server_id)
        return PersonReport(user_id, asked, asker.everywhere, found.totals, tuple(found.lines), grants, tuple(failures))

    async def credits(self, origin: Origin, period: str = "this month") -> CreditsReport:
        """Return what the person at ``origin`` spent everywhere, and the limits that apply to them here.

        Raises UserError for an invalid period.
        """
        now = self._clock.now()
        asked = span(period, now)
        user_id, server_id = origin.user_id, origin.server_id
        here = self._servers.in_force(origin)
        scope = Scope(None, user_id, asked.since, asked.until)
        async with self._database.read() as connection:
            found = await reports.report(connection, By.ENGINE, scope, limit=ENGINES_AT_MOST)
            return CreditsReport(
                span=asked,
                totals=found.totals,
                timeline=await timeline(connection, scope, now) if found.totals.spent else None,
                in_flight=(await ledger.totals(connection, user_id=user_id)).in_flight,
                engines=tuple(line for line in found.lines if line.figures.spent),
                threads=tuple(await reports.spent_by_thread(connection, scope, limit=THREADS_AT_MOST)),
                limits=await uses_of(
                    connection, here.of(*PERSONAL_LIMITS), user_id=user_id, server_id=server_id, now=now
                ),
                grants=await _grants(connection, user_id, server_id),
                jobs=min(jobs for jobs in (here.jobs, here.server_jobs) if jobs is not None),
                images=here.images,
            )

    async def export(self, asker: Asker, period: str) -> tuple[str, bytes]:
        """Export all ledger entries as a file for spreadsheet programs. Returns its name and content.

        Raises UserError like :meth:`report`, and if the file would be too large.
        """
        server_id = asker.server_id()
        asked = span(period, self._clock.now())
        table = Table(asker.origin.file_limit)
        # One export at a time: each needs a thread and memory.
        async with self._exporting, self._database.read() as connection:
            async for some in ledger.entries(connection, Scope(server_id, None, asked.since, asked.until)):
                await apart(table.add, some)
        whose = "all-servers" if server_id is None else str(server_id)
        name = f"easel-{whose}-{asked.name.replace(' ', '-').replace('..', '-to-')}"
        return await apart(table.finished, name)

    # --- unfinished requests ------------------------------------------------------------------------------------

    async def running(self, asker: Asker) -> Running:
        """Return everything that is unfinished now. Raises UserError if the asker may not see it."""
        server_id = asker.server_id()
        now = self._clock.now()
        async with self._database.read() as connection:
            open_ones = await reports.unfinished(connection, server_id=server_id, limit=RUNNING_AT_MOST)
            since = now - UNKNOWN_DAYS * DAY
            lost = await reports.unknown(connection, server_id=server_id, since=since, limit=UNKNOWN_SHOWN)
        return Running(
            tuple(open_ones),
            tuple(self._worker.services()),
            tuple(self._worker.outages()),
            tuple(lost),
            asker.everywhere,
            now,
            self._worker.stoppable,
        )

    async def cancel(self, asker: Asker, job_id: int) -> Text:
        """Cancel the unsent requests of anybody's job, and return a text that names the job and the result.

        Raises UserError if the server has no such job, or if the asker may not cancel it.
        """
        server_id = asker.server_id()
        done = await self._service.cancel_as_admin(job_id, server_id=server_id)
        job = done.job
        if done.dropped and job.server_id is not None:
            async with self._database.write() as tx:
                details = {"job": job_id, "subject": "user", "id": str(job.user_id)}
                await settings.log_act(
                    tx,
                    server_id=job.server_id,
                    user_id=asker.origin.user_id,
                    what="usage cancel",
                    details=details,
                    at=self._clock.now(),
                )
        return CANCEL_OUTCOME(job=job_id, outcome=done.text)


async def page_of(connection: AsyncConnection, by: By, scope: Scope, number: int, now: int) -> ReportPage:
    """Read page ``number`` of a report, or the nearest one that exists."""

    async def read(number: int) -> reports.Report:
        return await reports.report(connection, by, scope, limit=LINES, offset=(number - 1) * LINES)

    number = max(1, number)
    found = await read(number)
    if not found.lines and number > 1:
        found = await read(1)
        number = max(1, -(-found.count // LINES))
        found = await read(number)
    over_time = by in (By.USER, By.DAY) and found.totals.spent
    bars = await timeline(connection, scope, now) if over_time else None
    return ReportPage(found.totals, tuple(found.lines), found.count, number, bars)


async def timeline(connection: AsyncConnection, scope: Scope, now: int) -> Timeline:
    """Read the spending in each hour, day or month, up to ``now`` at most, including those without any."""
    first = await reports.first_spent(connection, Scope(scope.server_id, scope.user_id))
    until = min(scope.until or now + 1, now + 1)
    since = _month(now if first is None else first)
    if scope.since is not None:
        too_long = first is not None and until - scope.since > LONG_DAYS * DAY
        since = min(max(scope.since, since) if too_long else scope.since, until - 1)
    step = Step.HOUR if until - since <= DAY else Step.DAY if until - since <= DAYS_AT_MOST * DAY else Step.MONTH
    starts = [since]
    while (following := _next(starts[-1], step)) < until:
        starts.append(following)
    sums = dict.fromkeys(starts, (0, 0))
    bounded = Scope(scope.server_id, scope.user_id, since, until)
    for spent in await reports.spent_by_time(connection, bounded, HOUR if step is Step.HOUR else DAY):
        # The first bar may begin before the span.
        start = max(since, _month(spent.start) if step is Step.MONTH else spent.start)
        exact, estimated = sums[start]
        sums[start] = exact + spent.exact, estimated + spent.estimated
    return Timeline(step, tuple(Spent(start, *amounts) for start, amounts in sums.items()), until)


def _next(start: int, step: Step) -> int:
    if step is Step.MONTH:
        return milliseconds(current(Period.MONTH, start)[1])
    return start + (HOUR if step is Step.HOUR else DAY)


def _month(at: int) -> int:
    return milliseconds(current(Period.MONTH, at)[0])


async def _grants(connection: AsyncConnection, user_id: int, server_id: int | None) -> Balance | None:
    return None if server_id is None else await ledger.balance(connection, user_id=user_id, server_id=server_id)
