"""The pictures that requests start from: their records. The files are in the folder of the image files.

A picture belongs to the person who started from it. Its file is written before its record, as for images. After the
file is deleted, the record stays while a job refers to it. Times are Unix milliseconds (UTC).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.images import add_removals
from storage.records import UNSHOWN, SourceKind, StoredSource

_SOURCES = tables.sources.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_IMAGES = tables.images.c

_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}

_AT_ONCE = 200

# Built once: building a statement takes longer than running it.
_ADD = insert(tables.sources).returning(_SOURCES.id)


@dataclass(frozen=True, slots=True)
class NewSource:
    """A picture to add, whose file has the name ``file``; type, size and length are those of the file.

    ``digest`` is the SHA-256 of the original bytes in hexadecimal. See :class:`StoredSource` for the other fields.
    """

    user_id: int
    kind: SourceKind
    file: str
    media_type: str
    width: int
    height: int
    bytes: int
    digest: str
    created_at: int
    transparent: bool = False
    image_id: int | None = None
    job_id: int | None = None
    author_id: int | None = None


def new_name(media_type: str) -> str:
    """Return a new name for the file of a picture of this type: PNG, JPEG or WebP. Raises ValueError for others."""
    suffix = _SUFFIXES.get(media_type)
    if suffix is None:
        raise ValueError(f"not the type of a stored picture: {media_type}")
    return f"s{secrets.token_hex(16)}.{suffix}"


async def add(tx: AsyncConnection, source: NewSource) -> int:
    """Add the record of a picture whose file is written. Returns its id."""
    return int((await tx.execute(_ADD, asdict(source) | {"kind": source.kind.value})).scalar_one())


async def get(conn: AsyncConnection, source_id: int) -> StoredSource | None:
    """Return the picture with this id, or None."""
    found = await get_all(conn, [source_id])
    return found.get(source_id)


async def get_all(conn: AsyncConnection, ids: Collection[int]) -> dict[int, StoredSource]:
    """Return the pictures with these ids that exist, by id."""
    if not ids:
        return {}
    statement = select(tables.sources).where(_SOURCES.id.in_(ids))
    return {row["id"]: _record(row) for row in (await conn.execute(statement)).mappings()}


async def by_digest(
    conn: AsyncConnection,
    digest: str,
    *,
    user_id: int,
    kind: SourceKind,
    image_id: int | None = None,
    job_id: int | None = None,
    author_id: int | None = None,
) -> StoredSource | None:
    """Return the person's picture with these original bytes and this origin, if its file exists, or None."""
    origin = ((_SOURCES.image_id, image_id), (_SOURCES.job_id, job_id), (_SOURCES.author_id, author_id))
    return await _latest_of(
        conn,
        _SOURCES.user_id == user_id,
        _SOURCES.digest == digest,
        _SOURCES.kind == kind.value,
        *(column.is_(None) if value is None else column == value for column, value in origin),
    )


async def by_image(conn: AsyncConnection, image_id: int, *, user_id: int) -> StoredSource | None:
    """Return the person's picture that was made from this image of a result, if its file exists, or None."""
    return await _latest_of(
        conn,
        _SOURCES.image_id == image_id,
        _SOURCES.user_id == user_id,
        _SOURCES.kind == SourceKind.RESULT.value,
    )


async def latest(conn: AsyncConnection, user_id: int, *, limit: int) -> list[StoredSource]:
    """Return the person's pictures that have a file, latest used or added first, without masks."""
    statement = (
        select(tables.sources)
        .where(_SOURCES.user_id == user_id, _SOURCES.file.is_not(None), _SOURCES.kind != SourceKind.MASK.value)
        .order_by(func.coalesce(_SOURCES.used_at, _SOURCES.created_at).desc(), _SOURCES.id.desc())
        .limit(limit)
    )
    return [_record(row) for row in (await conn.execute(statement)).mappings()]


async def of_job(conn: AsyncConnection, job_id: int) -> tuple[StoredSource | None, StoredSource | None]:
    """Return the picture that the job starts from, and the mask for it."""
    row = (await conn.execute(select(_JOBS.source_id, _JOBS.mask_id).where(_JOBS.id == job_id))).first()
    if row is None:
        return None, None
    found = await get_all(conn, [each for each in row if each is not None])
    return found.get(row.source_id), found.get(row.mask_id)


async def touch(tx: AsyncConnection, ids: Collection[int], *, at: int) -> bool:
    """Record that a job starts from these pictures. False, and nothing is recorded, if the file of one is gone.

    Call it in the transaction that adds the job: from then on the files are kept until the job has been shown.
    """
    wanted = set(ids)
    there = select(func.count()).where(_SOURCES.id.in_(wanted), _SOURCES.file.is_not(None))
    if (await tx.execute(there)).scalar_one() != len(wanted):
        return False
    await tx.execute(update(tables.sources).where(_SOURCES.id.in_(wanted)).values(used_at=at))
    return True


async def renew(tx: AsyncConnection, source_id: int, *, at: int) -> bool:
    """Record that its person has brought or picked this picture again, so that its file is kept as if it were new.

    Returns False if the file is gone.
    """
    there = (_SOURCES.id == source_id, _SOURCES.file.is_not(None))
    return int((await tx.execute(update(tables.sources).where(*there).values(created_at=at))).rowcount) > 0


# --- deletion --------------------------------------------------------------------------------------------------------


async def due(conn: AsyncConnection, *, used_before: int, added_before: int, limit: int) -> list[StoredSource]:
    """Return pictures with a file that were last used before ``used_before`` or never.

    All were last added before ``added_before``. Pictures of a job that is unfinished or must still be shown are
    excluded.
    """
    statement = (
        select(tables.sources)
        .where(
            _SOURCES.file.is_not(None),
            _SOURCES.created_at < added_before,
            or_(_SOURCES.used_at.is_(None), _SOURCES.used_at < used_before),
            ~_needed(_JOBS.source_id),
            ~_needed(_JOBS.mask_id),
        )
        .limit(limit)
    )
    return [_record(row) for row in (await conn.execute(statement)).mappings()]


async def unused_beyond(conn: AsyncConnection, user_id: int, *, keep: int) -> list[int]:
    """Return the ids of the person's pictures with a file that no image was made from, except the latest ``keep``.

    Pictures of a job that is unfinished or must still be shown are excluded. Those of a job that was cancelled or has
    failed are included, because such jobs are free.
    """
    statement = (
        select(_SOURCES.id)
        .where(
            _SOURCES.user_id == user_id,
            _SOURCES.file.is_not(None),
            *(~made(column) for made in (_needed, _made_images) for column in (_JOBS.source_id, _JOBS.mask_id)),
        )
        .order_by(_SOURCES.created_at.desc(), _SOURCES.id.desc())
        .limit(_AT_ONCE)
        .offset(keep)
    )
    return list((await conn.execute(statement)).scalars())


async def forget_files(tx: AsyncConnection, ids: Collection[int]) -> list[str]:
    """Record that the files of these pictures are deleted, and list them for removal. Returns their names.

    A record that no job refers to is deleted.
    """
    if not ids:
        return []
    wanted = _SOURCES.id.in_(ids)
    names = list((await tx.execute(select(_SOURCES.file).where(wanted, _SOURCES.file.is_not(None)))).scalars())
    await tx.execute(update(tables.sources).where(wanted).values(file=None, digest=None))
    await add_removals(tx, names)
    await delete_bare(tx, ids)
    return names


async def delete_bare(tx: AsyncConnection, ids: Collection[int]) -> None:
    """Delete those of these records that have no file and to which no job refers."""
    if ids:
        bare = (_SOURCES.id.in_(ids), _SOURCES.file.is_(None))
        await tx.execute(delete(tables.sources).where(*bare, ~_referred(_JOBS.source_id), ~_referred(_JOBS.mask_id)))


async def release(tx: AsyncConnection, job_id: int) -> list[str]:
    """Detach a deleted job from its pictures, and delete those that no other job needs.

    Returns the names of their files, which are listed for removal.
    """
    row = (await tx.execute(select(_JOBS.source_id, _JOBS.mask_id).where(_JOBS.id == job_id))).first()
    ids = set() if row is None else {each for each in (row.source_id, row.mask_id) if each is not None}
    if not ids:
        return []
    await tx.execute(update(tables.jobs).where(_JOBS.id == job_id).values(source_id=None, mask_id=None))
    alone = select(_SOURCES.id).where(_SOURCES.id.in_(ids), ~_referred(_JOBS.source_id), ~_referred(_JOBS.mask_id))
    return await forget_files(tx, list((await tx.execute(alone)).scalars()))


def _referred(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(column == _SOURCES.id)


def _needed(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(column == _SOURCES.id, _JOBS.status.in_([status.value for status in UNSHOWN]))


def _made_images(column: ColumnElement[Any]) -> ColumnElement[bool]:
    made = exists().where(_SUBMISSIONS.job_id == _JOBS.id, _IMAGES.submission_id == _SUBMISSIONS.id)
    return exists().where(column == _SOURCES.id, made)


async def _latest_of(conn: AsyncConnection, *conditions: ColumnElement[bool]) -> StoredSource | None:
    statement = select(tables.sources).where(_SOURCES.file.is_not(None), *conditions).order_by(_SOURCES.id.desc())
    row = (await conn.execute(statement.limit(1))).mappings().first()
    return None if row is None else _record(row)


def _record(row: Any) -> StoredSource:
    return StoredSource(**{**row, "kind": SourceKind(row["kind"])})
