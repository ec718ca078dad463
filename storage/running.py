"""What is on its way and what went wrong lately, for those who look after a server. Times are Unix milliseconds (UTC).

The prompts are left out: what is private is nobody else's, and the rest is on its card. So is what a service said of a
private job, since it may repeat the prompt.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.records import ON_THEIR_WAY, UNFINISHED, JobStatus, SubmissionStatus

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_WENT_WRONG = (SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a job: whose, where, how it stands.

    ``problems`` are the stored texts of its card; None where only the author may read them.
    """

    id: int
    job_id: int
    user_id: int
    server_id: int | None
    channel_id: int
    private: bool
    engine: str
    provider: str
    status: SubmissionStatus
    created_at: int
    sent_at: int | None
    updated_at: int
    problems: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Waits:
    """So many submissions wait for the operator.

    ``setting`` would bring their images, and ``details`` say what stands in the way: hosts, sizes. Where it is None,
    they wait for the provider itself to be set up again.
    """

    provider: str
    setting: str | None
    submissions: int
    details: tuple[str, ...] = ()


async def waiting(conn: AsyncConnection, providers: Collection[str]) -> list[Waits]:
    """What waits for the operator, where these providers are set up."""
    missing = _SUBMISSIONS.provider.not_in(list(providers))
    sent = or_(
        _SUBMISSIONS.status.in_([status.value for status in ON_THEIR_WAY]),
        and_(_SUBMISSIONS.status == SubmissionStatus.QUEUED.value, _SUBMISSIONS.sendings > 0),
    )
    unfetched = and_(
        _SUBMISSIONS.status == SubmissionStatus.UNKNOWN.value,
        _SUBMISSIONS.waits_for.is_not(None),
        _SUBMISSIONS.handle.is_not(None),
        _JOBS.status != JobStatus.DELETED.value,
    )
    statement = (
        select(_SUBMISSIONS.provider, _SUBMISSIONS.waits_for, _SUBMISSIONS.result)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(or_(and_(missing, sent), unfetched))
        .order_by(_SUBMISSIONS.provider, _SUBMISSIONS.waits_for, _SUBMISSIONS.id)
    )
    found: dict[tuple[str, str | None], list[str]] = {}
    for row in await conn.execute(statement):
        found.setdefault((row.provider, row.waits_for), []).append((row.result or {}).get("why", ""))
    return [
        Waits(provider, setting, len(whys), tuple(dict.fromkeys(filter(None, whys))))
        for (provider, setting), whys in found.items()
    ]


async def unfinished(conn: AsyncConnection, *, server_id: int | None, limit: int) -> list[Request]:
    """Those that are queued or on their way in the server, or (None) everywhere; oldest first."""
    statement = _requests(UNFINISHED, server_id).order_by(_SUBMISSIONS.created_at, _SUBMISSIONS.id).limit(limit)
    return await _read(conn, statement)


async def unknown(conn: AsyncConnection, *, server_id: int | None, since: int, limit: int) -> list[Request]:
    """Those asked for since then of which nobody knows what became; newest first."""
    statement = _requests((SubmissionStatus.UNKNOWN,), server_id).where(_SUBMISSIONS.created_at >= since)
    return await _read(conn, statement.order_by(_SUBMISSIONS.created_at.desc(), _SUBMISSIONS.id.desc()).limit(limit))


async def failures_of(conn: AsyncConnection, *, user_id: int, server_id: int | None, limit: int) -> list[Request]:
    """The person's latest requests that failed or whose outcome is unknown, newest first."""
    statuses = [status.value for status in _WENT_WRONG]
    of_theirs = _SUBMISSIONS.job_id == _JOBS.id
    wanted: list[ColumnElement[bool]] = [_JOBS.user_id == user_id, _SUBMISSIONS.status.in_(statuses)]
    if server_id is not None:
        wanted.append(_JOBS.server_id == server_id)
    statement = select(*_COLUMNS).select_from(tables.jobs).join(tables.submissions, of_theirs).where(*wanted)
    return await _read(conn, statement.order_by(_JOBS.created_at.desc(), _SUBMISSIONS.id.desc()).limit(limit))


_COLUMNS: tuple[ColumnElement[Any], ...] = (
    _SUBMISSIONS.id,
    _SUBMISSIONS.job_id,
    _SUBMISSIONS.user_id,
    _JOBS.server_id,
    _JOBS.channel_id,
    _JOBS.private,
    _SUBMISSIONS.engine,
    _SUBMISSIONS.provider,
    _SUBMISSIONS.status,
    _SUBMISSIONS.created_at,
    _SUBMISSIONS.sent_at,
    _SUBMISSIONS.updated_at,
    _SUBMISSIONS.problems,
)


def _requests(statuses: Collection[SubmissionStatus], server_id: int | None) -> Select[Any]:
    statement = (
        select(*_COLUMNS)
        .join_from(tables.submissions, tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(_SUBMISSIONS.status.in_([status.value for status in statuses]))
    )
    # Not by the server's index: of all its jobs few are unfinished.
    return statement if server_id is None else statement.where(_JOBS.server_id + 0 == server_id)


async def _read(conn: AsyncConnection, statement: Select[Any]) -> list[Request]:
    rows = (await conn.execute(statement)).mappings()
    return [_request(row) for row in rows]


def _request(row: RowMapping) -> Request:
    # Outside a server nobody but the author sees the card either.
    shown = row["problems"] if row["server_id"] is not None and not row["private"] else None
    return Request(**{**row, "status": SubmissionStatus(row["status"]), "problems": shown})
