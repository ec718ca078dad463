"""Every limit on credits, jobs and images: which ones hold for a person, how much is used, and the check.

The operator's limits hold everywhere; within them hold those that a server's admins set. Amounts are millicredits,
periods are of the UTC calendar. The check runs in the transaction that writes the hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.periods import Period, current, milliseconds, moment_of
from bot.domain.place import Origin
from bot.errors import UserError
from bot.text import credits_text
from storage import jobs as job_rows
from storage import ledger, quotas, server_settings
from storage.database import AsyncConnection
from storage.quotas import Quota, Subject

PERIOD = "period"
"""The name in a server's settings under which its period stands."""

BY_ADMINS = "Members with Manage Server can change that with /quota."
BY_OPERATOR = "Whoever runs the bot sets that."
NOT_CHARGED = "Nothing was charged."


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits, in millicredits; None: no limit. They hold in servers, DMs and user installs alike."""

    user_daily: int | None = None
    server_monthly: int | None = None
    bot_daily: int | None = None
    jobs_per_user: int = 5


class LimitKind(StrEnum):
    """Whose credits a limit bounds, and who set it."""

    USER_DAILY = "user_daily"
    """One person everywhere, set by the operator."""
    SERVER_USER = "server_user"
    """One person in a server, set by its admins; grants come on top."""
    SERVER = "server"
    """All people of a server together, set by its admins."""
    SERVER_MONTHLY = "server_monthly"
    """All people of a server together, set by the operator."""
    BOT_DAILY = "bot_daily"
    """Everybody in all places, set by the operator."""

    @property
    def by_admins(self) -> bool:
        """Whether a server's admins set it, and not the operator."""
        return self in {LimitKind.SERVER_USER, LimitKind.SERVER}


@dataclass(frozen=True, slots=True)
class CreditLimit:
    """A limit on credits: ``credits`` (millicredits) a ``period``."""

    kind: LimitKind
    credits: int
    period: Period


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is spent and held in the current period (millicredits), and when it renews (Unix ms)."""

    limit: CreditLimit
    used: int
    renews_at: int

    @property
    def left(self) -> int:
        """What is left in millicredits; 0 where more was spent."""
        return max(0, self.limit.credits - self.used)


@dataclass(frozen=True, slots=True)
class InForce:
    """The limits that hold for one person in one place.

    ``jobs`` is how many unfinished jobs they may have everywhere, ``server_jobs`` how many in this server, ``images``
    how many images one job may have; None: no limit of this kind.
    """

    credits: tuple[CreditLimit, ...]
    jobs: int
    server_jobs: int | None = None
    images: int | None = None

    def of(self, *kinds: LimitKind) -> tuple[CreditLimit, ...]:
        """The credit limits of these kinds, in the order of the kinds."""
        return tuple(limit for kind in kinds for limit in self.credits if limit.kind is kind)


def in_force(
    operator: Limits,
    *,
    user_id: int | None = None,
    role_ids: Collection[int] = (),
    server_id: int | None = None,
    quotas: Iterable[Quota] = (),
    period: Period = Period.MONTH,
) -> InForce:
    """The limits that hold for a person in a place; without ``user_id`` those on all people together.

    ``quotas`` and ``period`` are what the server's admins set. Of each kind of quota the person's own counts, else the
    best of their roles', else the default; jobs and images that are set for the whole server bound these.
    """
    known = list(quotas)
    server = next((quota for quota in known if quota.subject is Subject.SERVER), Quota(Subject.SERVER))
    groups = (
        [quota for quota in known if quota.subject is Subject.USER and quota.subject_id == user_id],
        [quota for quota in known if quota.subject is Subject.ROLE and quota.subject_id in role_ids],
        [quota for quota in known if quota.subject is Subject.DEFAULT],
    )

    def best(limit: Callable[[Quota], int | None]) -> int | None:
        for group in groups if user_id is not None else ():
            amounts = [found for quota in group if (found := limit(quota)) is not None]
            if amounts:
                return max(amounts)
        return None

    daily = operator.user_daily if user_id is not None else None
    monthly = operator.server_monthly if server_id is not None else None
    credit_limits = (
        (LimitKind.USER_DAILY, daily, Period.DAY),
        (LimitKind.SERVER_USER, best(lambda quota: quota.credits), period),
        (LimitKind.SERVER, server.credits, period),
        (LimitKind.SERVER_MONTHLY, monthly, Period.MONTH),
        (LimitKind.BOT_DAILY, operator.bot_daily, Period.DAY),
    )
    return InForce(
        credits=tuple(CreditLimit(kind, most, every) for kind, most, every in credit_limits if most is not None),
        jobs=operator.jobs_per_user,
        server_jobs=_least(best(lambda quota: quota.jobs), server.jobs),
        images=_least(best(lambda quota: quota.images), server.images),
    )


async def use_of(
    conn: AsyncConnection, limit: CreditLimit, *, user_id: int | None, server_id: int | None, now: int
) -> LimitUse:
    """How much of the limit is used in the period of ``now`` (Unix milliseconds).

    ``user_id`` is needed for limits on one person, ``server_id`` for limits in a server.
    """
    start, renews = current(limit.period, now)
    since = milliseconds(start)
    match limit.kind, user_id, server_id:
        case LimitKind.USER_DAILY, int(), _:
            used = await ledger.spent_and_held(conn, since=since, user_id=user_id)
        case LimitKind.SERVER_USER, int(), int():
            used = await ledger.without_grants(conn, since=since, user_id=user_id, server_id=server_id)
        case ((LimitKind.SERVER | LimitKind.SERVER_MONTHLY), _, int()):
            used = await ledger.spent_and_held(conn, since=since, server_id=server_id)
        case LimitKind.BOT_DAILY, _, _:
            used = await ledger.spent_and_held(conn, since=since)
        case _:
            raise ValueError(f"a limit of the kind {limit.kind} needs whom or where it is about")
    return LimitUse(limit, used, milliseconds(renews))


async def uses_of(
    conn: AsyncConnection, limits: Iterable[CreditLimit], *, user_id: int | None, server_id: int | None, now: int
) -> tuple[LimitUse, ...]:
    """How much of each limit is used, as :func:`use_of` says it."""
    return tuple([await use_of(conn, limit, user_id=user_id, server_id=server_id, now=now) for limit in limits])


async def check(
    tx: AsyncConnection,
    operator: Limits,
    origin: Origin,
    *,
    hold: int,
    images: int,
    now: int,
    counted_already: int = 0,
) -> int:
    """How much of the hold, in millicredits, the person's grants have to pay for.

    ``counted_already`` is how many of the person's unfinished jobs are the very one that this is about. Raises a
    UserError that names every limit which the job would go beyond.
    """
    limits = await _stored(tx, operator, origin)
    problems = await _too_many_jobs(tx, limits, origin, counted_already)
    problems += too_many_images(limits, images)
    granted = 0
    for use in await uses_of(tx, limits.credits, user_id=origin.user_id, server_id=origin.server_id, now=now):
        beyond = use.used + hold - use.limit.credits
        if beyond <= 0:
            continue
        if use.limit.kind is LimitKind.SERVER_USER and origin.server_id is not None:
            extra = await ledger.balance(tx, user_id=origin.user_id, server_id=origin.server_id)
            granted = min(hold, beyond)
            if granted <= extra.left:
                continue
            more = f" Your extra credits do not cover the rest: {_left(extra.left)}." if extra.given else ""
            problems.append(_too_much(hold, use, more))
        else:
            problems.append(_too_much(hold, use))
    if problems:
        raise UserError(*problems)
    return granted


def from_grants(granted: int, holds: Sequence[int]) -> list[int]:
    """The part of each hold that the grants pay for.

    Grants are applied to the last holds, so that the periodic allowance is used first.
    """
    parts = []
    for hold in reversed(holds):
        parts.append(min(hold, granted))
        granted -= parts[-1]
    return parts[::-1]


def too_many_images(limits: InForce, images: int) -> Iterator[str]:
    """Why the person may not ask for so many images in one job, or nothing."""
    if limits.images is not None and images > limits.images:
        yield (
            f"This asks for {images} images, and this server allows you {limits.images} in one job. "
            f"{BY_ADMINS} {NOT_CHARGED}"
        )


async def _stored(tx: AsyncConnection, operator: Limits, origin: Origin) -> InForce:
    """The limits that hold for the person, as the database has them at this moment."""
    user_id, server_id = origin.user_id, origin.server_id
    found = [] if server_id is None else await quotas.for_person(tx, server_id, user_id)
    if server_id is None or not found:
        return in_force(operator, user_id=user_id, server_id=server_id)
    settings = await server_settings.get(tx, server_id)
    return in_force(
        operator,
        user_id=user_id,
        role_ids=origin.role_ids,
        server_id=server_id,
        quotas=found,
        period=Period(str(settings.get(PERIOD, Period.MONTH))),
    )


async def _too_many_jobs(tx: AsyncConnection, limits: InForce, origin: Origin, counted_already: int) -> list[str]:
    """Why the person may not begin another job now, or nothing."""
    problems = []
    unfinished = await job_rows.unfinished_jobs(tx, origin.user_id) - counted_already
    if unfinished >= limits.jobs:
        problems.append(
            f"You have {_jobs(unfinished)}, which is the most that one person may have at once. "
            f"Wait for one of them to finish, or cancel one. {NOT_CHARGED}"
        )
    if limits.server_jobs is not None and origin.server_id is not None:
        here = await job_rows.unfinished_jobs(tx, origin.user_id, server_id=origin.server_id) - counted_already
        if here >= limits.server_jobs:
            problems.append(
                f"You have {_jobs(here)} in this server, and it allows you {limits.server_jobs} at once. Wait for "
                f"one of them to finish, or cancel one. {BY_ADMINS} {NOT_CHARGED}"
            )
    return problems


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


_WHOSE = {
    LimitKind.USER_DAILY: "your {} for {}",
    LimitKind.SERVER_USER: "your {} for {} in this server",
    LimitKind.SERVER: "this server's {} for {}",
    LimitKind.SERVER_MONTHLY: "this server's {} for {}",
    LimitKind.BOT_DAILY: "the bot's {} for {}",
}


def _too_much(hold: int, use: LimitUse, more: str = "") -> str:
    limit = use.limit
    whose = _WHOSE[limit.kind].format(credits_text(limit.credits), limit.period.this)
    return (
        f"This takes up to {credits_text(hold)}, and of {whose} {_left(use.left)}. "
        f"They renew on {moment_of(use.renews_at):%-d %B} at 00:00 UTC.{more} "
        f"{BY_ADMINS if limit.kind.by_admins else BY_OPERATOR} {NOT_CHARGED}"
    )


def _left(left: int) -> str:
    amount = credits_text(left)
    return f"{amount} {'is' if amount.endswith('credit') else 'are'} left"


def _jobs(unfinished: int) -> str:
    return f"{unfinished} unfinished {'job' if unfinished == 1 else 'jobs'}"
