"""What may be spent, checked in the transaction that writes the hold: the operator's limits, and within them those
that a server's admins set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.credits import credits_text
from bot.errors import UserError
from bot.generation.quotas import Allowance, allowance
from bot.origin import Origin
from bot.periods import Period, current, milliseconds, next_month
from storage import jobs as job_rows
from storage import ledger, quotas, server_settings
from storage.database import AsyncConnection

__all__ = ["Limits", "check", "day_start", "from_grants", "milliseconds", "month_start", "next_month", "period_of"]

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


def day_start(now: int) -> datetime:
    """The beginning of the UTC day of ``now`` (Unix milliseconds)."""
    return current(Period.DAY, now)[0]


def month_start(now: int) -> datetime:
    """The beginning of the UTC month of ``now`` (Unix milliseconds)."""
    return current(Period.MONTH, now)[0]


def period_of(settings: dict[str, object]) -> Period:
    """How often the limits of a server with these settings renew: monthly, if nothing else was set."""
    return Period(str(settings.get(PERIOD, Period.MONTH)))


async def check(
    tx: AsyncConnection,
    limits: Limits,
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
    unfinished = await job_rows.unfinished_jobs(tx, origin.user_id) - counted_already
    problems = []
    if unfinished >= limits.jobs_per_user:
        problems.append(
            f"You have {_jobs(unfinished)}, which is the most that one person may have at once. "
            f"Wait for one of them to finish, or cancel one. {NOT_CHARGED}"
        )
    problems += await _beyond_the_operators(tx, limits, origin, hold, now)
    if origin.server_id is None:
        granted = 0
    else:
        granted, beyond = await _beyond_the_servers(
            tx, origin, origin.server_id, hold, images=images, now=now, counted_already=counted_already
        )
        problems += beyond
    if problems:
        raise UserError(*problems)
    return granted


def from_grants(granted: int, holds: Sequence[int]) -> list[int]:
    """The part of each hold that the grants pay for: the last ones first, so that the period's own go out before."""
    parts = []
    for hold in reversed(holds):
        parts.append(min(hold, granted))
        granted -= parts[-1]
    return parts[::-1]


async def _beyond_the_operators(tx: AsyncConnection, limits: Limits, origin: Origin, hold: int, now: int) -> list[str]:
    day, month = day_start(now), month_start(now)
    tomorrow = day + timedelta(days=1)
    checks: list[tuple[int | None, str, datetime, datetime, dict[str, int]]] = [
        (limits.user_daily, "your {} for today", day, tomorrow, {"user_id": origin.user_id}),
        (limits.bot_daily, "the bot's {} for today", day, tomorrow, {}),
    ]
    if origin.server_id is not None:
        whose, scope = "this server's {} for this month", {"server_id": origin.server_id}
        checks.append((limits.server_monthly, whose, month, next_month(month), scope))
    problems = []
    for limit, whose, since, renews, scope in checks:
        if limit is None:
            continue
        used = await ledger.spent_and_held(tx, since=milliseconds(since), **scope)
        if used + hold > limit:
            problems.append(_too_much(hold, whose, limit - used, limit, renews, BY_OPERATOR))
    return problems


async def _beyond_the_servers(
    tx: AsyncConnection, origin: Origin, server_id: int, hold: int, *, images: int, now: int, counted_already: int
) -> tuple[int, list[str]]:
    """What the grants have to pay for, and what would go beyond the limits that the server's admins set."""
    found = await quotas.for_person(tx, server_id, origin.user_id)
    if not found:
        return 0, []
    may = allowance(found, user_id=origin.user_id, role_ids=origin.role_ids)
    problems = too_many_images(may, images)
    if may.jobs is not None:
        unfinished = await job_rows.unfinished_jobs(tx, origin.user_id, server_id=server_id) - counted_already
        if unfinished >= may.jobs:
            problems.append(
                f"You have {_jobs(unfinished)} in this server, and it allows you {may.jobs} at once. Wait for "
                f"one of them to finish, or cancel one. {BY_ADMINS} {NOT_CHARGED}"
            )
    period = period_of(await server_settings.get(tx, server_id))
    start, renews = current(period, now)
    since = milliseconds(start)
    if may.everybody is not None:
        used = await ledger.spent_and_held(tx, since=since, server_id=server_id)
        if used + hold > may.everybody:
            whose = f"this server's {{}} for {period.this}"
            problems.append(_too_much(hold, whose, may.everybody - used, may.everybody, renews, BY_ADMINS))
    granted = 0
    if may.credits is not None:
        used = await ledger.without_grants(tx, since=since, user_id=origin.user_id, server_id=server_id)
        granted = min(hold, max(0, used + hold - may.credits))
        extra = await ledger.balance(tx, user_id=origin.user_id, server_id=server_id)
        if granted > extra.left:
            whose = f"your {{}} for {period.this} in this server"
            more = f" Your extra credits do not cover the rest: {_left(extra.left)}." if extra.given else ""
            problems.append(_too_much(hold, whose, may.credits - used, may.credits, renews, BY_ADMINS, more=more))
    return granted, problems


def too_many_images(may: Allowance, images: int) -> list[str]:
    """Why the person may not ask for so many images in one job, or nothing."""
    if may.images is None or images <= may.images:
        return []
    return [
        f"This asks for {images} images, and this server allows you {may.images} in one job. {BY_ADMINS} {NOT_CHARGED}"
    ]


def _too_much(hold: int, whose: str, left: int, limit: int, renews: datetime, who: str, *, more: str = "") -> str:
    """``whose`` has a place for the limit."""
    return (
        f"This takes up to {credits_text(hold)}, and of {whose.format(credits_text(limit))} {_left(left)}. "
        f"They renew on {renews:%-d %B} at 00:00 UTC.{more} {who} {NOT_CHARGED}"
    )


def _left(left: int) -> str:
    amount = credits_text(max(0, left))
    return f"{amount} {'is' if amount.endswith('credit') else 'are'} left"


def _jobs(unfinished: int) -> str:
    return f"{unfinished} unfinished {'job' if unfinished == 1 else 'jobs'}"
