"""Every limit on credits, free images and jobs: which limits apply to a person, their use, and the check.

The operator's limits apply everywhere. The limits that a server's admins set apply in addition. Amounts are
millicredits, periods follow the UTC calendar. The check runs in the transaction that writes the hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from bot.domain.periods import Period, current, milliseconds
from bot.domain.place import Origin
from bot.errors import NotMade
from bot.text import Text, Value, message
from storage import jobs as job_rows
from storage import ledger, settings
from storage.database import AsyncConnection
from storage.settings import Quota, Subject

PERIOD, SERVER_PERIOD = "period", "server_period"
"""The keys of the periods in a server's settings: of members' limits, and of the limit of the whole server."""

TOO_MANY_IMAGES = message(
    "limits.images",
    "This asks for {images} images, and this server allows you {count} image a job. Server managers can change this "
    "with /quota.",
    "This asks for {images} images, and this server allows you {count} images a job. Server managers can change this "
    "with /quota.",
)
TOO_MANY_JOBS = message(
    "limits.jobs",
    "You have {count} job running, the maximum. Wait for it to finish, or cancel it.",
    "You have {count} jobs running, the maximum. Wait for one to finish, or cancel one.",
)
TOO_MANY_JOBS_HERE = message(
    "limits.jobs_here",
    "You have {count} job running in this server, and it allows you {most} at a time. Wait for it to finish, or "
    "cancel it. Server managers can change this with /quota.",
    "You have {count} jobs running in this server, and it allows you {most} at a time. Wait for one to finish, or "
    "cancel one. Server managers can change this with /quota.",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits, in millicredits; None: no limit. They apply in servers, DMs and user installs alike.

    ``free_images`` is the number of images that one person may make a day with engines that cost nothing.
    """

    user_daily: int | None = None
    server_monthly: int | None = None
    bot_daily: int | None = None
    jobs_per_user: int = 5
    free_images: int | None = None


class LimitKind(StrEnum):
    """Whose credits or free images the limit restricts, and who set it."""

    USER_DAILY = "user_daily"
    """One person everywhere, set by the operator."""
    SERVER_USER = "server_user"
    """One person in a server, set by its admins; grants come on top."""
    SERVER = "server"
    """All people of a server together, set by its admins."""
    SERVER_MONTHLY = "server_monthly"
    """All people of a server together, set by the operator."""
    BOT_DAILY = "bot_daily"
    """All people everywhere, set by the operator."""
    FREE_DAILY = "free_daily"
    """One person's free images everywhere, set by the operator."""
    FREE_USER = "free_user"
    """One person's free images in a server, set by its admins."""
    FREE_SERVER = "free_server"
    """The free images of all people of a server together, set by its admins."""


FREE_KINDS = frozenset({LimitKind.FREE_DAILY, LimitKind.FREE_USER, LimitKind.FREE_SERVER})
"""The kinds of limits on free images. The others are limits on credits."""
TOO_EXPENSIVE = {
    LimitKind.USER_DAILY: message(
        "limits.user_daily",
        "This needs up to {needed:credits}; you have {left:amount} of {limit:credits} left {period}. Your limit resets "
        "{resets:relative}. The bot's operator sets it.",
    ),
    LimitKind.SERVER_USER: message(
        "limits.server_user",
        "This needs up to {needed:credits}; you have {left:amount} of {limit:credits} left {period} in this server. "
        "Your limit resets {resets:relative}. Server managers can change it with /quota.",
    ),
    LimitKind.SERVER: message(
        "limits.server",
        "This needs up to {needed:credits}; this server has {left:amount} of {limit:credits} left {period}. The limit "
        "resets {resets:relative}. Server managers can change it with /quota.",
    ),
    LimitKind.SERVER_MONTHLY: message(
        "limits.server_monthly",
        "This needs up to {needed:credits}; this server has {left:amount} of {limit:credits} left {period}. The limit "
        "resets {resets:relative}. The bot's operator sets it.",
    ),
    LimitKind.BOT_DAILY: message(
        "limits.bot_daily",
        "This needs up to {needed:credits}; the bot has {left:amount} of {limit:credits} left {period} for everyone "
        "together. The limit resets {resets:relative}. The bot's operator sets it.",
    ),
}
"""The message for a refused job, by the limit on credits that it would exceed."""
TOO_MANY_FREE = {
    LimitKind.FREE_DAILY: message(
        "limits.free_daily",
        "This makes {count} free image; you have {left} of {limit} left {period}. Your limit resets "
        "{resets:relative}. The bot's operator sets it.",
        "This makes {count} free images; you have {left} of {limit} left {period}. Your limit resets "
        "{resets:relative}. The bot's operator sets it.",
    ),
    LimitKind.FREE_USER: message(
        "limits.free_user",
        "This makes {count} free image; you have {left} of {limit} left {period} in this server. Your limit resets "
        "{resets:relative}. Server managers can change it with /quota.",
        "This makes {count} free images; you have {left} of {limit} left {period} in this server. Your limit resets "
        "{resets:relative}. Server managers can change it with /quota.",
    ),
    LimitKind.FREE_SERVER: message(
        "limits.free_server",
        "This makes {count} free image; this server has {left} of {limit} left {period}. The limit resets "
        "{resets:relative}. Server managers can change it with /quota.",
        "This makes {count} free images; this server has {left} of {limit} left {period}. The limit resets "
        "{resets:relative}. Server managers can change it with /quota.",
    ),
}
"""The message for a refused job, by the limit on free images that it would exceed."""
GRANTS_TOO_SMALL = message(
    "limits.grants_too_small",
    "This needs up to {needed:credits}; you have {left:amount} of {limit:credits} left {period} in this server, and "
    "{extra:credits} of extra credits. Your limit resets {resets:relative}. Server managers can change it with "
    "/quota.",
)


@dataclass(frozen=True, slots=True)
class PeriodLimit:
    """At most ``most`` millicredits, or free images, a ``period``."""

    kind: LimitKind
    most: int
    period: Period


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The part of a limit that is used in the current period, and its renewal (Unix milliseconds).

    ``used`` are millicredits that are spent or held, or free images.
    """

    limit: PeriodLimit
    used: int
    renews_at: int

    @property
    def left(self) -> int:
        """What remains; 0 if more was used."""
        return max(0, self.limit.most - self.used)


@dataclass(frozen=True, slots=True)
class InForce:
    """The limits that apply to one person in one place.

    ``jobs`` is the maximum number of their unfinished jobs everywhere, ``server_jobs`` the same in this server, and
    ``images`` the maximum number of images in one job. None: no limit of this kind. ``free`` are limits on the images
    of engines that cost nothing.
    """

    credits: tuple[PeriodLimit, ...]
    jobs: int
    server_jobs: int | None = None
    images: int | None = None
    free: tuple[PeriodLimit, ...] = ()

    def of(self, *kinds: LimitKind) -> tuple[PeriodLimit, ...]:
        """Return the limits of these kinds, in the order of the kinds."""
        return tuple(limit for kind in kinds for limit in (*self.credits, *self.free) if limit.kind is kind)


def in_force(
    operator: Limits,
    *,
    user_id: int | None = None,
    role_ids: Collection[int] = (),
    server_id: int | None = None,
    quotas: Iterable[Quota] = (),
    period: Period = Period.MONTH,
    server_period: Period | None = None,
) -> InForce:
    """Return the limits that apply to a person in a place. Without ``user_id``, return the shared limits.

    ``quotas`` and the periods are set by the server's admins: ``period`` for members, ``server_period`` for the whole
    server (None: the same). For each kind of limit, the person's own quota counts,
    else the highest quota of their roles, else the default. Limits on jobs and images for the whole server are upper
    bounds.
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
    free_daily = operator.free_images if user_id is not None else None
    credit_limits = (
        (LimitKind.USER_DAILY, daily, Period.DAY),
        (LimitKind.SERVER_USER, best(lambda quota: quota.credits), period),
        (LimitKind.SERVER, server.credits, server_period or period),
        (LimitKind.SERVER_MONTHLY, monthly, Period.MONTH),
        (LimitKind.BOT_DAILY, operator.bot_daily, Period.DAY),
    )
    free_limits = (
        (LimitKind.FREE_DAILY, free_daily, Period.DAY),
        (LimitKind.FREE_USER, best(lambda quota: quota.free_images), period),
        (LimitKind.FREE_SERVER, server.free_images, server_period or period),
    )
    return InForce(
        credits=tuple(PeriodLimit(kind, most, every) for kind, most, every in credit_limits if most is not None),
        jobs=operator.jobs_per_user,
        server_jobs=_least(best(lambda quota: quota.jobs), server.jobs),
        images=_least(best(lambda quota: quota.images), server.images),
        free=tuple(PeriodLimit(kind, most, every) for kind, most, every in free_limits if most is not None),
    )


async def use_of(
    conn: AsyncConnection, limit: PeriodLimit, *, user_id: int | None, server_id: int | None, now: int
) -> LimitUse:
    """Return the use of the limit in the period that contains ``now`` (Unix milliseconds).

    Limits on one person need ``user_id``, limits in a server need ``server_id``.
    """
    start, renews = current(limit.period, now)
    since = milliseconds(start)
    free_images = partial(job_rows.free_images, conn, since=since)
    match limit.kind, user_id, server_id:
        case LimitKind.USER_DAILY, int(), _:
            used = await ledger.spent_and_held(conn, since=since, user_id=user_id)
        case LimitKind.SERVER_USER, int(), int():
            used = await ledger.without_grants(conn, since=since, user_id=user_id, server_id=server_id)
        case ((LimitKind.SERVER | LimitKind.SERVER_MONTHLY), _, int()):
            used = await ledger.spent_and_held(conn, since=since, server_id=server_id)
        case LimitKind.BOT_DAILY, _, _:
            used = await ledger.spent_and_held(conn, since=since)
        case LimitKind.FREE_DAILY, int(), _:
            used = await free_images(user_id=user_id)
        case LimitKind.FREE_USER, int(), int():
            used = await free_images(user_id=user_id, server_id=server_id)
        case LimitKind.FREE_SERVER, _, int():
            used = await free_images(server_id=server_id)
        case _:
            raise ValueError(f"a limit of the kind {limit.kind} needs a user or a server")
    return LimitUse(limit, used, milliseconds(renews))


async def uses_of(
    conn: AsyncConnection, limits: Iterable[PeriodLimit], *, user_id: int | None, server_id: int | None, now: int
) -> tuple[LimitUse, ...]:
    """Return the use of each limit, see :func:`use_of`."""
    return tuple([await use_of(conn, limit, user_id=user_id, server_id=server_id, now=now) for limit in limits])


async def check(
    tx: AsyncConnection,
    operator: Limits,
    origin: Origin,
    *,
    hold: int,
    images: int,
    free: int = 0,
    now: int,
    running: bool = True,
    counted_already: int = 0,
) -> int:
    """Check the limits. Returns the part of the hold that the person's grants must pay, in millicredits.

    ``images`` is the number of images in all, and ``free`` of those from engines that do not charge.

    The limits on running jobs are only for a job that is ``running`` from now on, not for one whose price must be
    confirmed first. ``counted_already`` is 1 if the job itself is already one of the person's running jobs. Raises
    NotMade with a problem for every limit that the job would exceed.
    """
    limits = await _stored(tx, operator, origin)
    problems = await _too_many_jobs(tx, limits, origin, counted_already) if running else []
    problems += too_many_images(limits, images)
    if free:
        uses = await uses_of(tx, limits.free, user_id=origin.user_id, server_id=origin.server_id, now=now)
        problems += [_too_many_free(free, use) for use in uses if use.used + free > use.limit.most]
    granted = 0
    for use in await uses_of(tx, limits.credits, user_id=origin.user_id, server_id=origin.server_id, now=now):
        beyond = use.used + hold - use.limit.most
        if beyond <= 0:
            continue
        if use.limit.kind is LimitKind.SERVER_USER and origin.server_id is not None:
            extra = await ledger.balance(tx, user_id=origin.user_id, server_id=origin.server_id)
            granted = min(hold, beyond)
            if granted <= extra.left:
                continue
            problems.append(_too_expensive(hold, use, extra.left if extra.given else None))
        else:
            problems.append(_too_expensive(hold, use))
    if problems:
        raise NotMade(*problems)
    return granted


@dataclass(frozen=True, slots=True)
class Room:
    """What a person may still make in one job: whether any, at most for this many millicredits, and how many images.

    None: no limit of this kind. ``free`` is the number of images from engines that do not charge.
    """

    job: bool
    credits: int | None
    images: int | None
    free: int | None


async def room(conn: AsyncConnection, operator: Limits, origin: Origin, *, now: int) -> Room:
    """Return what :func:`check` would accept now."""
    limits = await _stored(conn, operator, origin)
    left = []
    for use in await uses_of(conn, limits.credits, user_id=origin.user_id, server_id=origin.server_id, now=now):
        extra = 0
        if use.limit.kind is LimitKind.SERVER_USER and origin.server_id is not None:
            extra = (await ledger.balance(conn, user_id=origin.user_id, server_id=origin.server_id)).left
        left.append(use.left + extra)
    jobs = await _too_many_jobs(conn, limits, origin, 0)
    uses = await uses_of(conn, limits.free, user_id=origin.user_id, server_id=origin.server_id, now=now)
    free = min((use.left for use in uses), default=None)
    return Room(job=not jobs, credits=min(left, default=None), images=limits.images, free=free)


def from_grants(granted: int, holds: Sequence[int]) -> list[int]:
    """Return the part of each hold that grants pay for.

    Grants are applied to the last holds, so that the periodic allowance is used first.
    """
    parts = []
    for hold in reversed(holds):
        parts.append(min(hold, granted))
        granted -= parts[-1]
    return parts[::-1]


def too_many_images(limits: InForce, images: int) -> list[Text]:
    """Return the problem with this number of images in one job, if there is one."""
    if limits.images is None or images <= limits.images:
        return []
    return [TOO_MANY_IMAGES(images=images, count=limits.images)]


async def _stored(tx: AsyncConnection, operator: Limits, origin: Origin) -> InForce:
    """Read the limits that apply to the person, in this transaction."""
    user_id, server_id = origin.user_id, origin.server_id
    found = [] if server_id is None else await settings.quotas_for(tx, server_id, user_id)
    if server_id is None or not found:
        return in_force(operator, user_id=user_id, server_id=server_id)
    rules = await settings.of_server(tx, server_id)
    of_server = rules.get(SERVER_PERIOD)
    return in_force(
        operator,
        user_id=user_id,
        role_ids=origin.role_ids,
        server_id=server_id,
        quotas=found,
        period=Period(str(rules.get(PERIOD, Period.MONTH))),
        server_period=None if of_server is None else Period(str(of_server)),
    )


async def _too_many_jobs(tx: AsyncConnection, limits: InForce, origin: Origin, counted_already: int) -> list[Text]:
    """Return the problems with one more running job."""
    problems = []
    running = await job_rows.count_running(tx, origin.user_id) - counted_already
    if running >= limits.jobs:
        problems.append(TOO_MANY_JOBS(count=running))
    if limits.server_jobs is not None and origin.server_id is not None:
        here = await job_rows.count_running(tx, origin.user_id, server_id=origin.server_id) - counted_already
        if here >= limits.server_jobs:
            problems.append(TOO_MANY_JOBS_HERE(count=here, most=limits.server_jobs))
    return problems


def _too_many_free(images: int, use: LimitUse) -> Text:
    limit = use.limit
    return TOO_MANY_FREE[limit.kind](
        count=images, left=use.left, limit=limit.most, period=limit.period.this, resets=use.renews_at
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _too_expensive(hold: int, use: LimitUse, extra: int | None = None) -> Text:
    """Make the problem for a hold that exceeds a limit. ``extra`` is the person's grants, if any."""
    limit = use.limit
    values: dict[str, Value] = {
        "needed": hold,
        "left": use.left,
        "limit": limit.most,
        "period": limit.period.this,
        "resets": use.renews_at,
    }
    return TOO_EXPENSIVE[limit.kind](**values) if extra is None else GRANTS_TOO_SMALL(**values, extra=extra)
