"""Ends, resumes and reopens many submissions at once: a few statements, however many rows.

`tx` is a connection from `Database.write()`. `at` is in Unix milliseconds (UTC). `why` is an EventReason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, func, insert, literal, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.ledger import EntryKind
from storage.records import ENDED, ON_THEIR_WAY, UNFINISHED, EventReason, JobStatus, SubmissionStatus

_SUBMISSIONS = tables.submissions.c
_JOBS = tables.jobs.c
_EVENTS = tables.events.c
_LEDGER = tables.ledger.c


async def end_free(
    tx: AsyncConnection,
    old: Collection[SubmissionStatus],
    new: SubmissionStatus,
    *,
    at: int,
    why: str,
    problems: Sequence[dict[str, Any]],
    unless_provider_in: Collection[str] = (),
    of_job: int | None = None,
    sent: bool | None = None,
    forget_handle: bool = False,
) -> int:
    """End every submission in one of the unfinished statuses `old` without a charge, and make their jobs ready.

    One that was reopened for its missing images is done again instead, as in :func:`finish_reopened`. `problems` are
    the stored texts for the card. Submissions of the providers `unless_provider_in`, and with `of_job`
    those of other jobs, are skipped. `sent` selects those that were sent before and may have arrived (True), or those
    that certainly were not (False). With `forget_handle`, none can be polled again. Returns the number ended.
    """
    if new not in ENDED or not UNFINISHED.issuperset(old):
        raise ValueError(f"not an end of unfinished submissions: {', '.join(sorted(old))} to {new.value}")
    wanted: ColumnElement[bool] = _SUBMISSIONS.status.in_([status.value for status in old])
    if unless_provider_in:
        wanted = and_(wanted, _SUBMISSIONS.provider.not_in(list(unless_provider_in)))
    if of_job is not None:
        wanted = and_(wanted, _SUBMISSIONS.job_id == of_job)
    if sent is not None:
        wanted = and_(wanted, _SUBMISSIONS.sendings > 0 if sent else _SUBMISSIONS.sendings == 0)
    again = await _end_reopened(tx, wanted, at, why, forget_handle=forget_handle)
    await _add_events_of(tx, wanted, new, at, why)
    await _release(tx, wanted, new, at, why)
    values: dict[str, Any] = {"ended_at": at, "next_attempt_at": None, "problems": list(problems)}
    if forget_handle:
        values["handle"] = null()
    ended = await tx.execute(update(tables.submissions).where(wanted).values(status=new.value, updated_at=at, **values))
    number = again + int(ended.rowcount)
    if number:
        await _settle(tx, at, of_job)
    return number


async def finish_reopened(tx: AsyncConnection, *, at: int, why: str) -> int:
    """End every submission that was reopened for its missing images: it is done again. Returns the number.

    What it lacks stays stored.
    """
    unfinished = _SUBMISSIONS.status.in_([status.value for status in UNFINISHED])
    number = await _end_reopened(tx, unfinished, at, why)
    if number:
        await _settle(tx, at, None)
    return number


async def _end_reopened(
    tx: AsyncConnection, wanted: ColumnElement[bool], at: int, why: str, *, forget_handle: bool = False
) -> int:
    """End those that were reopened for missing images: they are done again, with their texts."""
    has_images = exists().where(tables.images.c.submission_id == _SUBMISSIONS.id)
    paid = and_(wanted, _SUBMISSIONS.reopened_at.is_not(None), has_images)
    await _add_events_of(tx, paid, SubmissionStatus.DONE, at, why)
    values: dict[str, Any] = {"status": SubmissionStatus.DONE.value, "updated_at": at, "ended_at": at}
    if forget_handle:
        values |= {"handle": null(), "result": null(), "waits_for": None}
    return int((await tx.execute(update(tables.submissions).where(paid).values(values))).rowcount)


async def mark_cancelled(tx: AsyncConnection, job_id: int, providers: Collection[str], *, at: int) -> None:
    """Mark the job's submissions that are on their way to these providers as cancelled, also for the next start."""
    wanted = and_(
        _SUBMISSIONS.job_id == job_id,
        _SUBMISSIONS.status.in_([status.value for status in ON_THEIR_WAY]),
        _SUBMISSIONS.provider.in_(list(providers)),
    )
    await tx.execute(update(tables.submissions).where(wanted).values(cancelled_at=at))


async def mark_resumed(tx: AsyncConnection, at: int) -> int:
    """Mark every job with a submission on its way as resumed after a restart. Returns the number of jobs."""
    going_on = exists().where(
        _SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.status.in_([status.value for status in ON_THEIR_WAY])
    )
    of_these = _JOBS.status == JobStatus.WORKING.value
    marked = await tx.execute(update(tables.jobs).where(of_these, going_on).values(resumed_at=at))
    return int(marked.rowcount)


class Reopened(NamedTuple):
    """The number of submissions to poll again, of their jobs, of those that stay unknown or keep missing images."""

    submissions: int
    jobs: int
    unknown: int
    incomplete: int = 0


async def reopen(
    tx: AsyncConnection, providers: Collection[str], *, fetching: Collection[str] = (), at: int
) -> Reopened:
    """Reopen every submission that is unknown, or done without images that can be fetched later.

    One of the `providers` must be able to look it up, or, if the addresses of its images are stored, one of those in
    `fetching` to fetch them. It is on its way as after a restart, its job is working, and
    it has no hold. One that was done keeps its images, its capture, and what is stored about missing ones. Only the
    holder of the InstanceLock may call this: the next start resumes such submissions.
    """
    shown = (JobStatus.WORKING, JobStatus.READY, JobStatus.DELIVERED, JobStatus.UNDELIVERED)
    its_job = exists().where(_JOBS.id == _SUBMISSIONS.job_id, _JOBS.status.in_([status.value for status in shown]))
    unknown = _SUBMISSIONS.status == SubmissionStatus.UNKNOWN.value
    incomplete = and_(_SUBMISSIONS.status == SubmissionStatus.DONE.value, _SUBMISSIONS.result.is_not(None))
    wanted = and_(
        or_(unknown, incomplete),
        _SUBMISSIONS.handle.is_not(None),
        or_(
            _SUBMISSIONS.provider.in_(list(providers)),
            and_(_SUBMISSIONS.result.is_not(None), _SUBMISSIONS.provider.in_(list(fetching))),
        ),
        its_job,
    )
    await _add_events_of(tx, wanted, SubmissionStatus.RENDERING, at, EventReason.REOPENED)
    reopened = await tx.execute(
        update(tables.submissions)
        .where(wanted)
        .values(
            status=SubmissionStatus.RENDERING.value,
            updated_at=at,
            ended_at=None,
            problems=case((incomplete, _SUBMISSIONS.problems), else_=null()),
            waits_for=case((incomplete, _SUBMISSIONS.waits_for), else_=null()),
            reopened_at=at,
            cancelled_at=None,
            sent_at=func.coalesce(_SUBMISSIONS.sent_at, _SUBMISSIONS.updated_at),
        )
        .returning(_SUBMISSIONS.job_id)
    )
    jobs = list(reopened.scalars())
    its_own = exists().where(_SUBMISSIONS.job_id == _JOBS.id, _SUBMISSIONS.status == SubmissionStatus.RENDERING.value)
    await tx.execute(
        update(tables.jobs)
        .where(_JOBS.status.in_([status.value for status in shown[1:]]), its_own)
        # An earlier message must not be mistaken for the next one.
        .values(status=JobStatus.WORKING.value, updated_at=at, ended_at=None, attempting=None)
    )
    left = [(await tx.execute(select(func.count()).where(which))).scalar_one() for which in (unknown, incomplete)]
    return Reopened(len(jobs), len(set(jobs)), *map(int, left))


async def _add_events_of(
    tx: AsyncConnection, wanted: ColumnElement[bool], new: SubmissionStatus, at: int, why: str
) -> None:
    columns = [
        _EVENTS.submission_id,
        _EVENTS.old_status,
        _EVENTS.new_status,
        _EVENTS.at,
        _EVENTS.why,
    ]
    steps = select(_SUBMISSIONS.id, _SUBMISSIONS.status, literal(new.value), literal(at), literal(why)).where(wanted)
    await tx.execute(insert(tables.events).from_select([column.name for column in columns], steps))


async def _release(tx: AsyncConnection, wanted: ColumnElement[bool], new: SubmissionStatus, at: int, why: str) -> None:
    """Release their remaining holds."""
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
        "operation": _LEDGER.operation,
        "outcome": literal(new.value),
    }
    entries = (
        select(*values.values())
        .join_from(tables.ledger, tables.submissions, _SUBMISSIONS.id == _LEDGER.submission_id)
        .where(_LEDGER.kind == EntryKind.HOLD.value, still_held, wanted)
    )
    await tx.execute(insert(tables.ledger).from_select(list(values), entries))


async def _settle(tx: AsyncConnection, at: int, job_id: int | None) -> None:
    """Move working → ready for the jobs whose submissions have all ended."""
    its_own = _SUBMISSIONS.job_id == _JOBS.id
    open_ones = exists().where(its_own, _SUBMISSIONS.status.in_([status.value for status in UNFINISHED]))
    over = and_(_JOBS.status == JobStatus.WORKING.value, exists().where(its_own), ~open_ones)
    if job_id is not None:
        over = and_(over, _JOBS.id == job_id)
    ready = {"status": JobStatus.READY.value, "updated_at": at, "ended_at": at}
    await tx.execute(update(tables.jobs).where(over).values(ready))
