"""What the operator allows to be spent, checked in the transaction that writes the hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.credits import credits_text
from bot.errors import UserError
from bot.origin import Origin
from storage import jobs as job_rows
from storage import ledger
from storage.database import AsyncConnection


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits, in millicredits; None: no limit. They hold in servers, DMs and user installs alike."""

    user_daily: int | None = None
    server_monthly: int | None = None
    bot_daily: int | None = None
    jobs_per_user: int = 5


def day_start(now: int) -> datetime:
    """The beginning of the UTC day of ``now`` (Unix milliseconds)."""
    return datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def month_start(now: int) -> datetime:
    """The beginning of the UTC month of ``now`` (Unix milliseconds)."""
    return day_start(now).replace(day=1)


def milliseconds(moment: datetime) -> int:
    """Unix milliseconds of an aware moment."""
    return int(moment.timestamp() * 1000)


def next_month(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


async def check(tx: AsyncConnection, limits: Limits, origin: Origin, *, hold: int, now: int) -> None:
    """Raise a UserError that names every limit which a hold of so many millicredits would go beyond."""
    problems = []
    unfinished = await job_rows.unfinished_jobs(tx, origin.user_id)
    if unfinished >= limits.jobs_per_user:
        problems.append(
            f"You have {unfinished} unfinished jobs, which is the most that one person may have at once. "
            "Wait for one of them to finish, or cancel one. Nothing was charged."
        )
    day, month = day_start(now), month_start(now)
    checks = [
        (limits.user_daily, "your credits for today", day, day + timedelta(days=1), {"user_id": origin.user_id}),
        (limits.bot_daily, "the bot's credits for today", day, day + timedelta(days=1), {}),
    ]
    if origin.server_id is not None:
        renews = next_month(month)
        checks.append(
            (
                limits.server_monthly,
                "this server's credits for this month",
                month,
                renews,
                {"server_id": origin.server_id},
            )
        )
    for limit, whose, since, renews, scope in checks:
        if limit is None:
            continue
        used = await ledger.spent_and_held(tx, since=milliseconds(since), **scope)
        if used + hold > limit:
            left = max(0, limit - used)
            problems.append(
                f"This takes up to {credits_text(hold)}, and of {whose} {credits_text(left)} of {credits_text(limit)} "
                f"are left. They renew on {renews:%-d %B} at 00:00 UTC. Nothing was charged."
            )
    if problems:
        raise UserError(*problems)
