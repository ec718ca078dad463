"""What one person has spent, what is left to them, and when it renews. It knows no Discord."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.clock import Clock
from bot.domain import periods
from bot.domain.periods import Period, Span
from bot.domain.place import Origin
from bot.jobs.limits import LimitKind, LimitUse, uses_of
from bot.servers.settings import Servers
from storage import ledger, spending
from storage.database import Database
from storage.ledger import Balance
from storage.spending import Spent

HOUR = 3_600_000
DAY = 24 * HOUR
THREADS_SHOWN = 8
# More bars than this are too thin.
DAYS_AT_MOST = 92
# What the whole bot may spend is nobody's business but the operator's.
SHOWN = (LimitKind.USER_DAILY, LimitKind.SERVER_USER, LimitKind.SERVER, LimitKind.SERVER_MONTHLY)
YEARS_WHOLE = 2


class Step(StrEnum):
    """How long each of the bars of a chart is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


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
    limits: tuple[LimitUse, ...]
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

    def __init__(self, database: Database, servers: Servers, clock: Clock) -> None:
        self._database = database
        self._servers = servers
        self._clock = clock

    async def credits(self, origin: Origin, period: str = "this month") -> CreditsView:
        """What this person has spent everywhere in the period, as it was typed, and what limits them here.

        Raises UserError for what is no period.
        """
        now = self._clock.now()
        span = periods.span(period, now)
        user = origin.user_id
        here = self._servers.in_force(origin)
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
                limits=await uses_of(connection, here.of(*SHOWN), user_id=user, server_id=origin.server_id, now=now),
                grants=None
                if origin.server_id is None
                else await ledger.balance(connection, user_id=user, server_id=origin.server_id),
                jobs=min(jobs for jobs in (here.jobs, here.server_jobs) if jobs is not None),
                images=here.images,
            )


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
