"""The ledger: append-only entries of held, spent and granted amounts. Amounts are millicredits.

A submission has a ``hold``, and later either a ``release`` or a ``capture`` with a ``release``. The sum of its entries
is its current cost. All of them count in the period of the hold. ``grant`` and ``adjust`` change a person's extra
credits and are not spending. The ``granted`` part of a submission's entries is paid from these extra credits. Each
entry has the place of the request, so that reports need only the ledger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.errors import StorageError
from storage.records import SubmissionStatus

_LEDGER = tables.ledger.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c

ENTRIES_AT_ONCE = 2000
"""The batch size for reading all entries."""

# Built once: building a statement takes longer than running it.
_COSTS_OF = (
    select(tables.ledger)
    .join(tables.submissions, _SUBMISSIONS.id == _LEDGER.submission_id)
    .where(_SUBMISSIONS.job_id == bindparam("job"))
    .order_by(_LEDGER.id)
)


_OF = _SUBMISSIONS.id == bindparam("of")
_HOLD_ENTRY = insert(tables.ledger).values(
    job_id=select(_SUBMISSIONS.job_id).where(_OF).scalar_subquery(),
    position=select(_SUBMISSIONS.position).where(_OF).scalar_subquery(),
    channel_id=select(_JOBS.channel_id)
    .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
    .where(_OF)
    .scalar_subquery(),
)
_COLUMNS = [column for column in tables.ledger.columns if not column.primary_key]
_ENTRY = insert(tables.ledger)
# A single statement, so that both entries are written or none, even if the caller continues after an error.
_TWO_ENTRIES = insert(tables.ledger).from_select(
    [column.name for column in _COLUMNS],
    union_all(
        *(
            select(*(bindparam(f"{column.name}_{number}", type_=column.type) for column in _COLUMNS))
            for number in range(2)
        )
    ),
)
# The amounts stay the same. But in reports, a release with an outcome means that the request ended without a capture.
_NOT_FREE_AFTER_ALL = (
    update(tables.ledger)
    .where(_LEDGER.submission_id == bindparam("of"), _LEDGER.kind == "release")
    .values(outcome=None)
)
# More images of a request that was captured before. Reports and the limit of free images count them.
_COUNT_IMAGES = (
    update(tables.ledger)
    .where(_LEDGER.submission_id == bindparam("of"), _LEDGER.kind == "capture")
    .values(
        images=select(func.count()).where(tables.images.c.submission_id == bindparam("of")).scalar_subquery(),
    )
)
# A hold with the image count and the status of its submission.
_HOLD_OF = select(
    tables.ledger,
    select(func.count()).where(tables.images.c.submission_id == bindparam("of")).scalar_subquery().label("made"),
    select(_SUBMISSIONS.status).where(_OF).scalar_subquery().label("ended"),
).where(_LEDGER.submission_id == bindparam("of"), _LEDGER.kind == "hold")


class EntryKind(StrEnum):
    """The kinds of entries."""

    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    GRANT = "grant"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry. ``amount`` is signed. ``raw_amount`` is in the provider's own millicredits.

    The person's grants pay for the ``granted`` part of the amount. ``images`` is set for a capture. ``outcome`` is set
    for a release without a capture, and is how the submission ended. ``operation`` is what the request does; None
    stands for text to image, and for entries without a request.
    """

    id: int
    kind: EntryKind
    submission_id: int | None
    user_id: int
    server_id: int | None
    engine: str | None
    amount: int
    exact: bool
    raw_amount: int | None
    note: str | None
    counted_at: int
    created_at: int
    granted: int = 0
    job_id: int | None = None
    channel_id: int | None = None
    position: int | None = None
    images: int | None = None
    outcome: str | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """A filter for entries: by server, person and time (Unix milliseconds). None: all.

    ``since`` is inclusive, ``until`` is exclusive.
    """

    server_id: int | None = None
    user_id: int | None = None
    since: int | None = None
    until: int | None = None

    def conditions(self, *, indexed: bool = True) -> list[ColumnElement[bool]]:
        """Return the conditions for a statement on the ledger. Without ``indexed``, SQLite uses no index for them."""

        def its(column: ColumnElement[int]) -> ColumnElement[int]:
            return column if indexed else column + literal_column("0")

        wanted: list[ColumnElement[bool]] = []
        if self.server_id is not None:
            wanted.append(its(_LEDGER.server_id) == self.server_id)
        if self.user_id is not None:
            wanted.append(its(_LEDGER.user_id) == self.user_id)
        if self.since is not None:
            wanted.append(its(_LEDGER.counted_at) >= self.since)
        if self.until is not None:
            wanted.append(its(_LEDGER.counted_at) < self.until)
        # Always true, but makes SQLite use the index on time.
        return wanted or [its(_LEDGER.counted_at) >= 0]


@dataclass(frozen=True, slots=True)
class Totals:
    """The millicredits spent (exact and estimated) and held for unfinished submissions, and the capture count."""

    spent: int
    spent_exact: int
    spent_estimated: int
    in_flight: int
    captures: int


class Hold(NamedTuple):
    """The amount to hold for a submission. ``granted`` is the part that is paid from grants.

    ``operation`` is what the request does. None stands for text to image.
    """

    submission_id: int
    engine: str
    amount: int
    granted: int = 0
    operation: str | None = None


async def hold(tx: AsyncConnection, *holds: Hold, user_id: int, server_id: int | None, at: int) -> None:
    """Hold amounts for submissions. They count in the period that contains ``at``.

    Raises StorageError if one of the submissions already has a hold.
    """
    looked_up = {"job_id", "position", "channel_id"}
    rows = []
    for each in holds:
        id_, engine, amount, granted, operation = each
        _not_negative(amount)
        if not 0 <= granted <= amount:
            raise ValueError(f"{granted} of {amount} cannot come out of grants")
        entry = _entry(EntryKind.HOLD, id_, user_id, server_id, engine, amount, counted_at=at, at=at)
        given = {name: value for name, value in entry.items() if name not in looked_up}
        rows.append(given | {"granted": granted, "operation": operation, "of": id_})
    with _refusing(f"Submission {', '.join(str(each.submission_id) for each in holds)} has its hold already."):
        await tx.execute(_HOLD_ENTRY, rows)


async def capture(
    tx: AsyncConnection,
    submission_id: int,
    *,
    amount: int,
    exact: bool,
    raw_amount: int | None,
    at: int,
    reopened: bool = False,
) -> None:
    """Record the cost of a submission, which may exceed its hold, and release the whole hold.

    The hold of a ``reopened`` submission was already released at its first end. Raises StorageError and writes nothing
    if the submission has no hold, was captured before, or (unless reopened) was released before.
    """
    _not_negative(amount)
    held, made, _ = await _hold_of(tx, submission_id)
    # The credits of the period are used first, then the grants.
    granted = min(held.granted, max(0, amount - (held.amount - held.granted)))
    paid = {"exact": exact, "raw_amount": raw_amount, "granted": granted, "images": made}
    spent = _following(held, EntryKind.CAPTURE, amount, at) | paid
    if reopened:
        with _refusing(f"Submission {submission_id} was paid for already."):
            await tx.execute(_ENTRY, spent)
        await tx.execute(_NOT_FREE_AFTER_ALL, {"of": submission_id})
        return
    freed = _following(held, EntryKind.RELEASE, -held.amount, at) | {"granted": -held.granted}
    two = {f"{name}_{number}": value for number, entry in enumerate((spent, freed)) for name, value in entry.items()}
    with _refusing(f"Submission {submission_id} was paid for or released already."):
        await tx.execute(_TWO_ENTRIES, two)


async def count_images(tx: AsyncConnection, submission_id: int) -> None:
    """Count the images of a submission again that was captured before. Every amount stays the same."""
    await tx.execute(_COUNT_IMAGES, {"of": submission_id})


async def release(tx: AsyncConnection, submission_id: int, *, at: int, note: str | None = None) -> None:
    """Release the hold of a submission that has ended without a cost.

    Raises StorageError and writes nothing if it has no hold, or was captured or released before.
    """
    held, _, ended = await _hold_of(tx, submission_id)
    why = {"note": note, "granted": -held.granted, "outcome": ended or SubmissionStatus.FAILED.value}
    with _refusing(f"Submission {submission_id} was paid for or released already."):
        await tx.execute(_ENTRY, _following(held, EntryKind.RELEASE, -held.amount, at) | why)


async def grant(
    tx: AsyncConnection, *, user_id: int, server_id: int | None, amount: int, note: str | None, at: int
) -> None:
    """Grant a user extra credits. They do not expire."""
    _not_negative(amount)
    entry = _entry(EntryKind.GRANT, None, user_id, server_id, None, amount, counted_at=at, at=at)
    await tx.execute(_ENTRY, entry | {"note": note})


async def adjust(
    tx: AsyncConnection, *, user_id: int, server_id: int | None, amount: int, note: str | None, at: int
) -> None:
    """Change a user's extra credits. A negative amount takes some back."""
    entry = _entry(EntryKind.ADJUST, None, user_id, server_id, None, amount, counted_at=at, at=at)
    await tx.execute(_ENTRY, entry | {"note": note})


async def spent_and_held(
    conn: AsyncConnection, *, since: int, user_id: int | None = None, server_id: int | None = None
) -> int:
    """Sum the millicredits spent and held since then by the user, in the server, by both, or (neither) by all."""
    statement = select(func.sum(_LEDGER.amount)).where(_of_submissions(), *_scope(since, user_id, server_id))
    return int((await conn.execute(statement)).scalar_one() or 0)


async def without_grants(conn: AsyncConnection, *, since: int, user_id: int, server_id: int) -> int:
    """Sum what the user spent and has held in the server since then, without grants, in millicredits."""
    own = func.sum(_LEDGER.amount - _LEDGER.granted)
    statement = select(own).where(_of_submissions(), *_scope(since, user_id, server_id))
    return int((await conn.execute(statement)).scalar_one() or 0)


@dataclass(frozen=True, slots=True)
class Balance:
    """A person's extra credits in a server, in millicredits: the granted amount and its used part."""

    given: int
    used: int

    @property
    def left(self) -> int:
        """The unused part; 0 if more was used than is granted now."""
        return max(0, self.given - self.used)


async def balance(conn: AsyncConnection, *, user_id: int, server_id: int) -> Balance:
    """Return the user's extra credits in the server."""
    # SQLite uses the partial index only if its condition is repeated literally.
    few = text("(ledger.granted <> 0 OR ledger.engine IS NULL)")
    given = _sum_where(_LEDGER.engine.is_(None))
    statement = select(given, func.coalesce(func.sum(_LEDGER.granted), 0)).where(
        few, _LEDGER.user_id == user_id, _LEDGER.server_id == server_id
    )
    row = (await conn.execute(statement)).one()
    return Balance(int(row[0]), int(row[1]))


async def totals(
    conn: AsyncConnection, *, since: int | None = None, user_id: int | None = None, server_id: int | None = None
) -> Totals:
    """Sum the entries since then (None: ever) of the user, of the server, of both, or (neither) of everybody."""
    captured = _LEDGER.kind == EntryKind.CAPTURE.value
    statement = select(
        _sum_where(and_(captured, _LEDGER.exact == True)).label("exact"),  # noqa: E712 - a column, not a value
        _sum_where(and_(captured, _LEDGER.exact == False)).label("estimated"),  # noqa: E712 - a column, not a value
        _sum_where(_LEDGER.kind.in_((EntryKind.HOLD.value, EntryKind.RELEASE.value))).label("held"),
        func.count(case((captured, _LEDGER.id))).label("captures"),
    ).where(_of_submissions(), *_scope(since, user_id, server_id))
    row = (await conn.execute(statement)).one()
    exact, estimated = int(row.exact), int(row.estimated)
    return Totals(exact + estimated, exact, estimated, int(row.held), int(row.captures))


async def costs_of(conn: AsyncConnection, job_id: int) -> dict[int, list[LedgerEntry]]:
    """Return the entries of the job's submissions, by submission id, oldest first."""
    costs: dict[int, list[LedgerEntry]] = {}
    for row in (await conn.execute(_COSTS_OF, {"job": job_id})).mappings():
        costs.setdefault(row["submission_id"], []).append(_record(row))
    return costs


async def entries(conn: AsyncConnection, scope: Scope) -> AsyncIterator[list[LedgerEntry]]:
    """Yield batches of all entries in the scope, in order of time."""
    statement = select(tables.ledger).order_by(_LEDGER.counted_at, _LEDGER.id).limit(ENTRIES_AT_ONCE)
    statement = statement.where(*scope.conditions())
    after: LedgerEntry | None = None
    while True:
        page = statement
        if after is not None:
            later = and_(_LEDGER.counted_at == after.counted_at, _LEDGER.id > after.id)
            page = page.where(_LEDGER.counted_at >= after.counted_at, or_(_LEDGER.counted_at > after.counted_at, later))
        rows = (await conn.execute(page)).mappings().all()
        if not rows:
            return
        found = [_record(row) for row in rows]
        yield found
        after = found[-1]


def _of_submissions() -> ColumnElement[bool]:
    ours: ColumnElement[bool] = _LEDGER.kind.in_(
        (EntryKind.HOLD.value, EntryKind.CAPTURE.value, EntryKind.RELEASE.value)
    )
    return ours


def _scope(since: int | None, user_id: int | None, server_id: int | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if since is not None:
        wanted.append(_LEDGER.counted_at >= since)
    if user_id is not None:
        wanted.append(_LEDGER.user_id == user_id)
    if server_id is not None:
        # A person has far fewer entries than a server: + 0 keeps SQLite from reading all entries of the server.
        wanted.append((_LEDGER.server_id if user_id is None else _LEDGER.server_id + literal_column("0")) == server_id)
    return wanted


def _sum_where(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, _LEDGER.amount))), 0)


def _not_negative(amount: int) -> None:
    if amount < 0:
        raise ValueError(f"an amount below zero: {amount}")


def _entry(
    kind: EntryKind,
    submission_id: int | None,
    user_id: int,
    server_id: int | None,
    engine: str | None,
    amount: int,
    *,
    counted_at: int,
    at: int,
) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "submission_id": submission_id,
        "user_id": user_id,
        "server_id": server_id,
        "engine": engine,
        "amount": amount,
        "exact": True,
        "raw_amount": None,
        "note": None,
        "counted_at": counted_at,
        "created_at": at,
        "granted": 0,
        "job_id": None,
        "channel_id": None,
        "position": None,
        "images": None,
        "outcome": None,
        "operation": None,
    }


def _following(held: LedgerEntry, kind: EntryKind, amount: int, at: int) -> dict[str, Any]:
    """Return another entry for the submission of this hold."""
    facts = (held.submission_id, held.user_id, held.server_id, held.engine)
    names = ("job_id", "channel_id", "position", "operation")
    known = {name: getattr(held, name) for name in names}
    return _entry(kind, *facts, amount, counted_at=held.counted_at, at=at) | known


@contextmanager
def _refusing(sentence: str) -> Iterator[None]:
    """Raise StorageError with this sentence if an entry already exists."""
    try:
        yield
    except IntegrityError as error:
        raise StorageError(sentence) from error


async def _hold_of(tx: AsyncConnection, submission_id: int) -> tuple[LedgerEntry, int, str | None]:
    """Return the hold of a submission, its image count, and its status if it still exists."""
    row = (await tx.execute(_HOLD_OF, {"of": submission_id})).mappings().first()
    if row is None:
        raise StorageError(f"Submission {submission_id} has no hold.")
    entry = dict(row)
    made, ended = int(entry.pop("made")), entry.pop("ended")
    return _record(entry), made, ended


def _record(row: RowMapping | dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(**{**row, "kind": EntryKind(row["kind"])})
