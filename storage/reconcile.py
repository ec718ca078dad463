"""Checks that the ledger and all submissions are consistent.

Every submission has one hold. A submission that has ended has one release of the whole hold, and one capture if it is
done. An unfinished one has neither, unless it was reopened: then its hold was released, and it was captured if it was
reopened for missing images. Submissions that were deleted by age must also have ended. Amounts are
millicredits, times Unix milliseconds (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import ledger, tables
from storage.ledger import EntryKind
from storage.records import ENDED, UNFINISHED, JobStatus, SubmissionStatus

_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_LEDGER = tables.ledger.c

_OF_SUBMISSIONS = (EntryKind.HOLD.value, EntryKind.CAPTURE.value, EntryKind.RELEASE.value)
_OPEN = tuple(status.value for status in UNFINISHED)
_OVER = tuple(status.value for status in ENDED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A submission that is unfinished or has an unknown outcome. If it is unknown, `held` was released."""

    submission_id: int
    job_id: int
    engine: str
    status: SubmissionStatus
    since: int
    held: int


@dataclass(frozen=True, slots=True)
class Beyond:
    """A submission for which the service charged, or may charge, more than was captured. The operator pays the rest.

    Both amounts are the service's own millicredits. They are equal if the submission was sent twice and only one charge
    is known: the other may follow after the images.
    """

    submission_id: int
    job_id: int
    engine: str
    status: SubmissionStatus
    charged: int
    captured: int


@dataclass(frozen=True, slots=True)
class Difference:
    """An inconsistency: its subject, and what is wrong."""

    subject: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Books:
    """The result: row counts, open submissions, charges above the captured amounts, and inconsistencies."""

    submissions: int
    entries: int
    totals: ledger.Totals
    standing: list[Standing]
    beyond: list[Beyond]
    differences: list[Difference]


def _standing() -> Select[Any]:
    holds = func.coalesce(func.sum(case((_LEDGER.kind == EntryKind.HOLD.value, _LEDGER.amount))), 0)
    columns = (_SUBMISSIONS.id, _SUBMISSIONS.job_id, _SUBMISSIONS.engine, _SUBMISSIONS.status, _SUBMISSIONS.updated_at)
    # A reopened submission has no hold any more, like an unknown one.
    reopened = and_(_SUBMISSIONS.reopened_at.is_not(None), _SUBMISSIONS.status != SubmissionStatus.UNKNOWN.value)
    return (
        select(*columns, case((reopened, 0), else_=holds).label("held"))
        .outerjoin(tables.ledger, _LEDGER.submission_id == _SUBMISSIONS.id)
        .where(_SUBMISSIONS.status.in_([*_OPEN, SubmissionStatus.UNKNOWN.value]))
        .group_by(_SUBMISSIONS.id)
        .order_by(_SUBMISSIONS.id)
    )


def _beyond() -> Select[Any]:
    captured = func.coalesce(func.sum(case((_LEDGER.kind == EntryKind.CAPTURE.value, _LEDGER.raw_amount))), 0)
    columns = (_SUBMISSIONS.id, _SUBMISSIONS.job_id, _SUBMISSIONS.engine, _SUBMISSIONS.status, _SUBMISSIONS.charged)
    return (
        select(*columns, captured.label("captured"))
        .outerjoin(tables.ledger, _LEDGER.submission_id == _SUBMISSIONS.id)
        .where(or_(_SUBMISSIONS.charged > 0, _SUBMISSIONS.sendings > 1), _SUBMISSIONS.status.in_(_OVER))
        .group_by(_SUBMISSIONS.id)
        .having(or_(_SUBMISSIONS.charged > captured, _SUBMISSIONS.sendings > 1))
        .order_by(_SUBMISSIONS.id)
    )


def _entries() -> Subquery:
    """Combine the entries of each submission in one row."""

    def count(kind: EntryKind) -> Any:
        return func.count(case((_LEDGER.kind == kind.value, _LEDGER.id)))

    def total(column: ColumnElement[int], *kinds: EntryKind) -> Any:
        wanted = [kind.value for kind in kinds]
        return func.coalesce(func.sum(case((_LEDGER.kind.in_(wanted), column))), 0)

    # The values are equal in all entries if the minimum and the maximum are equal.
    place = func.coalesce(_LEDGER.server_id, 0)
    named = {
        "user": _LEDGER.user_id,
        "place": place,
        "engine": _LEDGER.engine,
        "operation": func.coalesce(_LEDGER.operation, ""),
        "period": _LEDGER.counted_at,
    }
    bounds = [
        bound(column).label(f"{word}_{name}")
        for name, column in named.items()
        for word, bound in (("least", func.min), ("most", func.max))
    ]
    return (
        select(
            _LEDGER.submission_id,
            count(EntryKind.HOLD).label("holds"),
            count(EntryKind.CAPTURE).label("captures"),
            count(EntryKind.RELEASE).label("releases"),
            total(_LEDGER.amount, EntryKind.HOLD, EntryKind.RELEASE).label("still_held"),
            total(_LEDGER.amount, EntryKind.CAPTURE).label("captured"),
            total(_LEDGER.granted, EntryKind.HOLD).label("grants_held"),
            total(_LEDGER.granted, EntryKind.HOLD, EntryKind.RELEASE).label("grants_still_held"),
            total(_LEDGER.granted, EntryKind.CAPTURE).label("grants_used"),
            *bounds,
        )
        .where(_LEDGER.submission_id.is_not(None), _LEDGER.kind.in_(_OF_SUBMISSIONS))
        .group_by(_LEDGER.submission_id)
        .subquery()
    )


def _wrong_submissions() -> Select[Any]:
    entries = _entries()
    its = entries.c
    over = _SUBMISSIONS.status.in_(_OVER)
    done = _SUBMISSIONS.status == SubmissionStatus.DONE.value
    reopened = _SUBMISSIONS.reopened_at.is_not(None)
    place = func.coalesce(_JOBS.server_id, 0)
    # A submission without entries has NULL in all of these columns, so that test must come first.
    wrong = case(
        (its.submission_id.is_(None), "has no entries in the ledger"),
        (its.holds != 1, "has no hold, or more than one"),
        (and_(over, its.releases != 1), "has ended, and its hold was not released once"),
        (and_(over, its.still_held != 0), "has ended, and its release is not of the whole hold"),
        (and_(~over, ~reopened, its.releases != 0), "is unfinished, and its hold was released"),
        (and_(~over, reopened, its.releases != 1), "was reopened, and its hold was not released once"),
        (and_(done, its.captures != 1), "is done, and was not captured once"),
        (and_(~done, or_(over, ~reopened), its.captures != 0), "is not done, and was captured"),
        (its.captures > 1, "was captured more than once"),
        (its.captured < 0, "was captured below zero"),
        (and_(over, its.grants_still_held != 0), "has ended, and not all that was held of grants was released"),
        (~its.grants_used.between(0, its.grants_held), "used more of grants than was held of them"),
        (or_(its.least_user != _SUBMISSIONS.user_id, its.most_user != _SUBMISSIONS.user_id), "names another person"),
        (or_(its.least_place != place, its.most_place != place), "names another server"),
        (or_(its.least_engine != _SUBMISSIONS.engine, its.most_engine != _SUBMISSIONS.engine), "names another engine"),
        (its.least_operation != its.most_operation, "names two operations"),
        (its.least_period != its.most_period, "counts in two periods"),
    )
    found = (
        select(_SUBMISSIONS.id, _SUBMISSIONS.job_id, _SUBMISSIONS.status, wrong.label("wrong"))
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .outerjoin(entries, its.submission_id == _SUBMISSIONS.id)
        .subquery()
    )
    return select(found).where(found.c.wrong.is_not(None)).order_by(found.c.id)


def _wrong_leftovers() -> Select[Any]:
    """Find errors in the entries of deleted submissions, all of which must have ended."""
    entries = _entries()
    its = entries.c
    wrong = or_(
        its.holds != 1,
        its.releases != 1,
        its.still_held != 0,
        its.captures > 1,
        its.captured < 0,
        its.grants_still_held != 0,
        ~its.grants_used.between(0, its.grants_held),
        its.least_user != its.most_user,
        its.least_place != its.most_place,
        its.least_engine != its.most_engine,
        its.least_operation != its.most_operation,
        its.least_period != its.most_period,
    )
    return (
        select(its.submission_id)
        .outerjoin(tables.submissions, _SUBMISSIONS.id == its.submission_id)
        .where(_SUBMISSIONS.id.is_(None), wrong)
        .order_by(its.submission_id)
    )


def _wrong_entries() -> Select[Any]:
    of_submissions = _LEDGER.kind.in_(_OF_SUBMISSIONS)
    wrong = case(
        (_LEDGER.kind.not_in([kind.value for kind in EntryKind]), "is of an unknown kind"),
        (and_(of_submissions, _LEDGER.submission_id.is_(None)), "belongs to no submission"),
        (and_(~of_submissions, _LEDGER.submission_id.is_not(None)), "is a person's, and names a submission"),
    )
    found = select(_LEDGER.id, _LEDGER.kind, wrong.label("wrong")).subquery()
    return select(found).where(found.c.wrong.is_not(None)).order_by(found.c.id)


def _wrong_jobs() -> Select[Any]:
    its_own = _SUBMISSIONS.job_id == _JOBS.id
    any_open = exists().where(its_own, _SUBMISSIONS.status.in_(_OPEN))
    working = _JOBS.status == JobStatus.WORKING.value
    wrong = case(
        (and_(working, ~any_open), "is worked on, and nothing in it is unfinished"),
        (and_(~working, any_open), "has ended, and something in it is unfinished"),
    )
    found = select(_JOBS.id, _JOBS.status, wrong.label("wrong")).subquery()
    return select(found).where(found.c.wrong.is_not(None)).order_by(found.c.id)


# Each query with the description for its rows.
_STANDING, _BEYOND = _standing(), _beyond()
_WRONG: tuple[tuple[Select[Any], str, str], ...] = (
    (_wrong_submissions(), "submission {id} of job {job_id} ({status})", "{wrong}"),
    (
        _wrong_leftovers(),
        "submission {submission_id}",
        "is no longer there, and its entries are not those of one that has ended",
    ),
    (_wrong_entries(), "entry {id} ({kind})", "{wrong}"),
    (_wrong_jobs(), "job {id} ({status})", "{wrong}"),
)
_COUNTS = select(
    select(func.count()).select_from(tables.submissions).scalar_subquery().label("submissions"),
    select(func.count()).select_from(tables.ledger).scalar_subquery().label("entries"),
)


async def reconcile(conn: AsyncConnection) -> Books:
    """Check everything. The connection must come from `Database.read()`, so that all queries see one state."""
    standing = [
        Standing(row.id, row.job_id, row.engine, SubmissionStatus(row.status), row.updated_at, int(row.held))
        for row in await conn.execute(_STANDING)
    ]
    beyond = [
        Beyond(row.id, row.job_id, row.engine, SubmissionStatus(row.status), row.charged or 0, int(row.captured))
        for row in await conn.execute(_BEYOND)
    ]
    differences: list[Difference] = []
    for statement, subject, wrong in _WRONG:
        rows = (await conn.execute(statement)).mappings()
        differences += (Difference(subject.format(**row), wrong.format(**row)) for row in rows)
    totals = await ledger.totals(conn)
    held = sum(one.held for one in standing if one.status in UNFINISHED)
    if held != totals.in_flight:
        told = f"{totals.in_flight} millicredits are held, and {held} of them for unfinished submissions"
        differences.append(Difference("the ledger", told))
    counts = (await conn.execute(_COUNTS)).one()
    return Books(counts.submissions, counts.entries, totals, standing, beyond, differences)
