"""What one person has spent, what is left to them, and when it renews. It knows no Discord."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot import periods
from bot.admin.servers import Servers
from bot.generation.clock import Clock
from bot.generation.limits import Limits
from bot.generation.quotas import Allowance, allowance
from bot.origin import Origin
from bot.periods import Period, Span
from storage import ledger, spending
from storage.database import AsyncConnection, Database
from storage.ledger import Balance
from storage.spending import Spent

HOUR = 3_600_000
DAY = 24 * HOUR
THREADS_SHOWN = 8
# More bars than this are too thin.
DAYS_AT_MOST = 92
YEARS_WHOLE = 2


class Step(StrEnum):
    """How long each of the bars of a chart is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Remaining:
    """A limit that holds for the person here, in millicredits, and when it renews (Unix milliseconds).

    ``name`` reads after "Left of", such as "your limit for today"; ``daily`` says that it is one for each day.
    """

    name: str
    limit: int
    used: int
    renews_at: int
    daily: bool = False

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class CreditsView:
    """What one person spent in a span of time and has in flight now, in millicredits; ``spent`` has a part each step.

    ``grants`` are credits that were given to them in this server beside the limits; None in direct messages. ``jobs``
    and ``images`` are how many unfinished jobs at once and images a job they may have here; None: no such limit.
    """

    name: str
    step: Step
    spent: tuple[Spent, ...]
    until: int
    in_flight: int
    by_engine: tuple[tuple[str, int], ...]
    by_thread: tuple[tuple[str, int], ...]
    limits: tuple[Remaining, ...]
    grants: Balance | None
    jobs: int
    images: int | None

    @property
    def exact(self) -> int:
        return sum(each.exact for each in self.spent)

    @property
    def estimated(self) -> int:
        return sum(each.estimated for each in self.spent)


class Spending:
    """The verb of /credits."""

    def __init__(self, database: Database, limits: Limits, servers: Servers, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._servers = servers
        self._clock = clock

    async def credits(self, origin: Origin, period: str = "this month") -> CreditsView:
        """What this person has spent everywhere in the period, as it was typed, and what limits them here.

        Raises UserError for what is no period.
        """
        now = self._clock.now()
        span = periods.span(period, now)
        user = origin.user_id
        here = self._allowance(origin)
        async with self._database.read() as connection:
            since, until = _bounds(span, now, await spending.first_spent(connection, user_id=user))
            step = _step(since, until)
            length = HOUR if step is Step.HOUR else DAY
            found = await spending.by_time(connection, user_id=user, since=since, until=until, step=length)
            return CreditsView(
                name=span.name,
                step=step,
                spent=_filled(found, since, until, step),
                until=until,
                in_flight=(await ledger.totals(connection, user_id=user)).in_flight,
                by_engine=tuple(await spending.by_engine(connection, user_id=user, since=since, until=until)),
                by_thread=tuple(
                    await spending.by_thread(connection, user_id=user, since=since, until=until, limit=THREADS_SHOWN)
                ),
                limits=tuple(await self._remaining(connection, origin, here, now)),
                grants=None
                if origin.server_id is None
                else await ledger.balance(connection, user_id=user, server_id=origin.server_id),
                jobs=min(jobs for jobs in (self._limits.jobs_per_user, here.jobs) if jobs is not None),
                images=here.images,
            )

    def _allowance(self, origin: Origin) -> Allowance:
        """What the server's admins allow this person."""
        if origin.server_id is None:
            return Allowance()
        return allowance(self._servers.quotas(origin.server_id), user_id=origin.user_id, role_ids=origin.role_ids)

    async def _remaining(
        self, connection: AsyncConnection, origin: Origin, here: Allowance, now: int
    ) -> list[Remaining]:
        """The operator's limits first, then those of the server's admins."""
        found = []
        if self._limits.user_daily is not None:
            since, renews = _current(Period.DAY, now)
            used = await ledger.spent_and_held(connection, since=since, user_id=origin.user_id)
            found.append(Remaining("your limit for today", self._limits.user_daily, used, renews, daily=True))
        if (server_id := origin.server_id) is None:
            return found
        period = self._servers.rules(server_id).period
        since, renews = _current(period, now)
        if here.credits is not None:
            used = await ledger.without_grants(connection, since=since, user_id=origin.user_id, server_id=server_id)
            name = f"your limit in this server for {period.this}"
            found.append(Remaining(name, here.credits, used, renews, daily=period is Period.DAY))
        if here.everybody is not None:
            used = await ledger.spent_and_held(connection, since=since, server_id=server_id)
            found.append(Remaining(f"everybody's limit in this server for {period.this}", here.everybody, used, renews))
        if self._limits.server_monthly is not None:
            since, renews = _current(Period.MONTH, now)
            used = await ledger.spent_and_held(connection, since=since, server_id=server_id)
            name = "this server's limit for this month"
            found.append(Remaining(name, self._limits.server_monthly, used, renews))
        return found


def _current(period: Period, now: int) -> tuple[int, int]:
    since, renews = periods.current(period, now)
    return periods.milliseconds(since), periods.milliseconds(renews)


def _bounds(span: Span, now: int, first: int | None) -> tuple[int, int]:
    """From when to when: never beyond now, and all time begins with the month of the first thing that was paid for.

    So do periods of many years, since nothing is to be seen of those before.
    """
    until = now + 1 if span.until is None else min(span.until, now + 1)
    if span.since is not None:
        since = min(span.since, until - 1)
        if first is not None and until - since > YEARS_WHOLE * 366 * DAY:
            since = max(since, min(_month(first), until - 1))
        return since, until
    return _month(now if first is None else first), until


def _step(since: int, until: int) -> Step:
    if until - since <= DAY:
        return Step.HOUR
    return Step.DAY if until - since <= DAYS_AT_MOST * DAY else Step.MONTH


def _filled(found: Sequence[Spent], since: int, until: int, step: Step) -> tuple[Spent, ...]:
    """One for each step, with nothing where nothing was spent; the first begins with the span."""
    sums: dict[int, tuple[int, int]] = {}
    for each in found:
        start = max(since, _month(each.start)) if step is Step.MONTH else each.start
        exact, estimated = sums.get(start, (0, 0))
        sums[start] = (exact + each.exact, estimated + each.estimated)
    starts = [since]
    while (following := _following(starts[-1], step)) < until:
        starts.append(following)
    return tuple(Spent(start, *sums.get(start, (0, 0))) for start in starts)


def _following(start: int, step: Step) -> int:
    if step is Step.MONTH:
        return periods.milliseconds(periods.current(Period.MONTH, start)[1])
    return start + (HOUR if step is Step.HOUR else DAY)


def _month(at: int) -> int:
    return periods.milliseconds(periods.current(Period.MONTH, at)[0])
