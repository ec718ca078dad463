"""Steps of many submissions and jobs at once, each a few statements however many rows there are.

They keep to the same rules as the guarded moves of single ones: a step has its event, and what ends without images
gives its hold back. `at` is Unix milliseconds (UTC).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, insert, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind
from storage.records import ENDED, ON_THEIR_WAY, UNFINISHED, JobStatus, SubmissionStatus

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_EVENTS = tables.events.c
_LEDGER = tables.ledger.c


async def end_free(
    tx: AsyncConnection,
    old: Collection[SubmissionStatus],
    new: SubmissionStatus,
    *,
    at: int,
    why: str,
    told: str,
    unless_provider_in: Collection[str] = (),
    of_job: int | None = None,
    sent: bool | None = None,
    forget_handle: bool = False,
) -> int:
    """End every submission in one of the unfinished statuses `old` without a charge, and make their jobs ready.

    `told` is the sentence for the card. Those of the providers named go on, and where a job is given, all others'.
    `sent` narrows it to those that were sent before and may have arrived, or (False) to those that surely were not.
    With `forget_handle` none of them can be asked for again. Returns how many were ended.
    """
    if new not in ENDED or not UNFINISHED.issuperset(old):
        raise ValueError(f"not an end of unfinished ones: {', '.join(sorted(old))} to {new.value}")
    wanted: ColumnElement[bool] = _SUBMISSIONS.status.in_([status.value for status in old])
    if unless_provider_in:
        wanted = and_(wanted, _SUBMISSIONS.provider.not_in(list(unless_provider_in)))
    if of_job is not None:
        wanted = and_(wanted, _SUBMISSIONS.job_id == of_job)
    if sent is not None:
        wanted = and_(wanted, _SUBMISSIONS.sendings > 0 if sent else _SUBMISSIONS.sendings == 0)
    await _add_events(tx, wanted, new, at, why)
    await _release(tx, wanted, new, at, why)
    values: dict[str, Any] = {"ended_at": at, "next_attempt_at": None, "error": told}
    if forget_handle:
        values["handle"] = null()
    ended = await tx.execute(update(tables.submissions).where(wanted).values(status=new.value, updated_at=at, **values))
    if ended.rowcount:
        await _settle(tx, at, of_job)
    return int(ended.rowcount)


async def mark_resumed(tx: AsyncConnection, at: int) -> int:
    """Note for every job with a submission on its way that it was taken up again; how many jobs these are."""
    going_on = exists().where(
        _SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.status.in_([status.value for status in ON_THEIR_WAY])
    )
    of_these = _JOBS.status == JobStatus.WORKING.value
    marked = await tx.execute(update(tables.jobs).where(of_these, going_on).values(resumed_at=at))
    return int(marked.rowcount)


class Reopened(NamedTuple):
    """How many unknown submissions will be asked for again, of how many jobs, and how many stay unknown."""

    submissions: int
    jobs: int
    left: int


async def reopen(tx: AsyncConnection, providers: Collection[str], *, at: int, why: str) -> Reopened:
    """Take back the end of every unknown submission that one of the providers can still be asked for.

    It is on its way again as if the bot had been restarted, and its job is worked on; nothing is held for it. Only the
    holder of the InstanceLock may call it: whoever works takes up such ones at a start.
    """
    shown = (JobStatus.WORKING, JobStatus.READY, JobStatus.DELIVERED, JobStatus.UNDELIVERED)
    its_job = exists().where(_JOBS.id == _SUBMISSIONS.job_id, _JOBS.status.in_([status.value for status in shown]))
    wanted = and_(
        _SUBMISSIONS.status == SubmissionStatus.UNKNOWN.value,
        _SUBMISSIONS.handle.is_not(None),
        _SUBMISSIONS.provider.in_(list(providers)),
        its_job,
    )
    await _add_events(tx, wanted, SubmissionStatus.RENDERING, at, why)
    reopened = await tx.execute(
        update(tables.submissions)
        .where(wanted)
        .values(
            status=SubmissionStatus.RENDERING.value,
            updated_at=at,
            ended_at=None,
            error=None,
            waits_for=None,
            reopened_at=at,
            sent_at=func.coalesce(_SUBMISSIONS.sent_at, _SUBMISSIONS.updated_at),
        )
        .returning(_SUBMISSIONS.job_id)
    )
    jobs = list(reopened.scalars())
    its_own = exists().where(_SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.status == SubmissionStatus.RENDERING.value)
    await tx.execute(
        update(tables.jobs)
        .where(_JOBS.status.in_([status.value for status in shown[1:]]), its_own)
        # What an earlier message is found by must not pass for the one that is to come.
        .values(status=JobStatus.WORKING.value, updated_at=at, ended_at=None, attempting=None)
    )
    unknown = _SUBMISSIONS.status == SubmissionStatus.UNKNOWN.value
    left = (await tx.execute(select(func.count()).where(unknown))).scalar_one()
    return Reopened(len(jobs), len(set(jobs)), int(left))


async def _add_events(
    tx: AsyncConnection, wanted: ColumnElement[bool], new: SubmissionStatus, at: int, why: str
) -> None:
    columns = [_EVENTS.submission_id, _EVENTS.old_status, _EVENTS.new_status, _EVENTS.at, _EVENTS.why]
    steps = select(_SUBMISSIONS.id, _SUBMISSIONS.status, literal(new.value), literal(at), literal(why)).where(wanted)
    await tx.execute(insert(tables.events).from_select([column.name for column in columns], steps))


async def _release(tx: AsyncConnection, wanted: ColumnElement[bool], new: SubmissionStatus, at: int, why: str) -> None:
    """Give back what is still held for them."""
    released = tables.ledger.alias("released")
    still_held = ~exists().where(
        released.c.submission_id == _LEDGER.submission_id, released.c.kind == EntryKind.RELEASE.value
    )
    values = {
        "kind": literal(EntryKind.RELEASE.value),
        "submission_id": _LEDGER.submission_id,
        "user_id": _LEDGER.user_id,
        "server_id": _LEDGER.server_id,
        "engine": _LEDGER.engine,
        "amount": -_LEDGER.amount,
        "exact": literal(1),
        "raw_amount": null(),
        "note": literal(why),
        "counted_at": _LEDGER.counted_at,
        "created_at": literal(at),
        "granted": -_LEDGER.granted,
        "job_id": _LEDGER.job_id,
        "channel_id": _LEDGER.channel_id,
        "position": _LEDGER.position,
        "outcome": literal(new.value),
    }
    entries = (
        select(*values.values())
        .join_from(tables.ledger, tables.submissions, _SUBMISSIONS.id == _LEDGER.submission_id)
        .where(_LEDGER.kind == EntryKind.HOLD.value, still_held, wanted)
    )
    await tx.execute(insert(tables.ledger).from_select(list(values), entries))


async def _settle(tx: AsyncConnection, at: int, job_id: int | None) -> None:
    """working → ready for the jobs whose submissions have all ended."""
    its_own = _SUBMISSIONS.job_id == _JOBS.id
    open_ones = exists().where(its_own, _SUBMISSIONS.status.in_([status.value for status in UNFINISHED]))
    over = and_(_JOBS.status == JobStatus.WORKING.value, exists().where(its_own), ~open_ones)
    if job_id is not None:
        over = and_(over, _JOBS.id == job_id)
    ready = {"status": JobStatus.READY.value, "updated_at": at, "ended_at": at}
    await tx.execute(update(tables.jobs).where(over).values(ready))
