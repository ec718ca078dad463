"""The finished images: their files in one folder, and their records in the database.

A file is written aside, synced and renamed before its record is committed, so that a record never speaks of a file that
is not whole; what a crash leaves in between is a stray file, never a lost image.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.errors import Fault, StorageError
from storage.files import make_folder, put_in_place
from storage.pools import Pools
from storage.records import UNLISTED, UNSHOWN, JobStatus, StoredImage

_IMAGES = tables.images.c
_JOBS = tables.jobs.c
_SUBMISSIONS = tables.submissions.c
_REMOVALS = tables.removals.c

# Made once: to put a statement together takes longer than to carry it out.
_ADD_IMAGE = insert(tables.images).returning(_IMAGES.position, _IMAGES.id)
_IMAGES_OF = (
    select(tables.images)
    .join(tables.submissions, _SUBMISSIONS.id == _IMAGES.submission_id)
    .where(_SUBMISSIONS.job_id.in_(bindparam("jobs", expanding=True)))
    .order_by(_SUBMISSIONS.job_id, _SUBMISSIONS.position, _IMAGES.position)
)

# A file may be noted twice; to remove it twice does no harm.
_ADD_REMOVAL = insert(tables.removals).prefix_with("OR IGNORE", dialect="sqlite")

_ASIDE = ".part"


class ImageFiles:
    """The folder of the image files. Names are plain: no folder in them.

    All work on the disk is done in the threads for files; ``pools`` has those for what is decoded as well.
    """

    def __init__(self, folder: Path, pools: Pools) -> None:
        self.pools = pools
        self._folder = folder

    async def prepare(self) -> None:
        """Make the folder and clear what an earlier run left half written. Raises StorageError."""
        await self.pools.files.run(self._prepare)

    def path(self, name: str) -> Path:
        """Where the file of this name is kept. Raises ValueError for a name that is not plain."""
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise ValueError(f"not the name of an image file: {name!r}")
        return self._folder / name

    def aside(self, name: str) -> Path:
        """A new path in the same folder to write the file to, before it is kept."""
        return self.path(name).with_name(f"{name}.{secrets.token_hex(4)}{_ASIDE}")

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Path]:
        """A path aside for a file that is written and kept meanwhile; whatever fails, nothing is left there."""
        aside = self.aside(name)
        try:
            yield aside
        except BaseException:
            # Should even this fail, it is cleared at the next start.
            with suppress(OSError):
                await self.pools.files.run(aside.unlink, missing_ok=True)
            raise

    async def keep(self, aside: Path, name: str) -> Path:
        """Make a file written aside the file of this name, so that it outlives a power cut. Raises StorageError."""
        kept = self.path(name)
        await self.pools.files.run(self._keep, aside, kept)
        return kept

    async def remove(self, name: str) -> None:
        """Delete the file; it is no error if it is gone already. Raises StorageError."""
        await self.pools.files.run(self._remove, self.path(name))

    async def strays(self, known: Collection[str], before: int) -> list[str]:
        """Names of files that no record knows and that were last written before `before` (Unix milliseconds)."""
        return await self.pools.files.run(self._strays, frozenset(known), before)

    def _prepare(self) -> None:
        with self._plainly():
            make_folder(self._folder)
            for aside in self._folder.glob(f"*{_ASIDE}"):
                aside.unlink()

    def _keep(self, aside: Path, kept: Path) -> None:
        with self._plainly():
            put_in_place(aside, kept)

    def _remove(self, path: Path) -> None:
        with self._plainly():
            path.unlink(missing_ok=True)

    def _strays(self, known: frozenset[str], before: int) -> list[str]:
        with self._plainly(), os.scandir(self._folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name not in known
                and not entry.name.endswith(_ASIDE)
                and entry.is_file()
                and entry.stat().st_mtime_ns // 1_000_000 < before
            )

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(Fault.FILES_UNUSABLE, path=self._folder, reason=error.strerror) from error


class NewImage(NamedTuple):
    """A finished image whose file is kept under the name `file`."""

    position: int
    file: str
    media_type: str
    width: int
    height: int
    bytes: int
    seed: int | None
    filtered: bool


async def add_images(tx: AsyncConnection, submission_id: int, images: Sequence[NewImage], *, at: int) -> list[int]:
    """Record the images of a submission; their ids in this order."""
    if not images:
        return []
    rows = [{"submission_id": submission_id, "created_at": at, **image._asdict()} for image in images]
    ids = {row.position: int(row.id) for row in await tx.execute(_ADD_IMAGE, rows)}
    return [ids[image.position] for image in images]


async def images_of(conn: AsyncConnection, *job_ids: int) -> list[StoredImage]:
    """The images of the jobs, by the submissions' positions and then by their own."""
    return [StoredImage(**row) for row in (await conn.execute(_IMAGES_OF, {"jobs": job_ids})).mappings()]


async def image_files(conn: AsyncConnection) -> set[str]:
    """The names of all files that should be there, small previews among them."""
    both = union(*(select(column).where(column.is_not(None)) for column in (_IMAGES.file, _IMAGES.preview)))
    return set((await conn.execute(both)).scalars())


async def old_images(
    conn: AsyncConnection, before: int, *, kept_before: int, limit: int | None = None
) -> list[StoredImage]:
    """Images made and shown before `before` whose file is still there, oldest first; times in Unix milliseconds.

    None of a job that still has to be shown; of one that could not be shown only if it ended before `kept_before`.
    """
    statement = (
        select(tables.images)
        .join(tables.submissions, _SUBMISSIONS.id == _IMAGES.submission_id)
        .join(tables.jobs, _JOBS.id == _SUBMISSIONS.job_id)
        .where(
            _IMAGES.file.is_not(None),
            _IMAGES.created_at < before,
            _JOBS.status.not_in([status.value for status in UNSHOWN]),
            or_(_JOBS.status != JobStatus.UNDELIVERED.value, _JOBS.ended_at < kept_before),
            # What was shown late is kept from then on as long as anything else.
            or_(_JOBS.delivered_at.is_(None), _JOBS.delivered_at < before),
        )
        .order_by(_IMAGES.created_at)
        .limit(limit)
    )
    return [StoredImage(**row) for row in (await conn.execute(statement)).mappings()]


async def get_image(conn: AsyncConnection, image_id: int) -> StoredImage | None:
    """The image, or None if there is none of this id."""
    row = (await conn.execute(select(tables.images).where(_IMAGES.id == image_id))).mappings().first()
    return None if row is None else StoredImage(**row)


async def without_preview(
    conn: AsyncConnection, after: tuple[int, int], *, before: int, limit: int
) -> list[StoredImage]:
    """Images made before `before` whose file is there and that have no preview, oldest first.

    Only those that come after a time and an id; times are in Unix milliseconds.
    """
    at, last = after
    statement = (
        select(tables.images)
        .where(
            _IMAGES.file.is_not(None),
            _IMAGES.preview.is_(None),
            _IMAGES.created_at >= at,
            _IMAGES.created_at < before,
            or_(_IMAGES.created_at > at, _IMAGES.id > last),
        )
        .order_by(_IMAGES.created_at, _IMAGES.id)
        .limit(limit)
    )
    return [StoredImage(**row) for row in (await conn.execute(statement)).mappings()]


async def set_preview(tx: AsyncConnection, image_id: int, preview: str) -> bool:
    """Record the image's preview; False if it has one, or if the image or its file has gone meanwhile."""
    bare = (_IMAGES.id == image_id, _IMAGES.file.is_not(None), _IMAGES.preview.is_(None))
    recorded = await tx.execute(update(tables.images).where(*bare).values(preview=preview))
    return int(recorded.rowcount) > 0


async def old_previews(conn: AsyncConnection, before: int, *, limit: int | None = None) -> list[StoredImage]:
    """Images made before `before` that still have a preview and no file to make it of once more, oldest first."""
    statement = (
        select(tables.images)
        .where(_IMAGES.preview.is_not(None), _IMAGES.file.is_(None), _IMAGES.created_at < before)
        .order_by(_IMAGES.created_at)
        .limit(limit)
    )
    return [StoredImage(**row) for row in (await conn.execute(statement)).mappings()]


async def forget_previews(tx: AsyncConnection, ids: Iterable[int]) -> None:
    """Record that the previews of these images are gone."""
    gone = [{"image": image_id} for image_id in ids]
    if gone:
        await tx.execute(update(tables.images).where(_IMAGES.id == bindparam("image")).values(preview=None), gone)


async def forget_files(tx: AsyncConnection, ids: Iterable[int]) -> None:
    """Record that the files of these images are gone."""
    gone = [{"image": image_id} for image_id in ids]
    if gone:
        await tx.execute(update(tables.images).where(_IMAGES.id == bindparam("image")).values(file=None), gone)


async def images_of_thread(
    conn: AsyncConnection, user_id: int, thread_id: int, *, limit: int, offset: int = 0
) -> list[tuple[int, StoredImage]]:
    """The images of the person's thread with the ids of their jobs: the latest job first, each as on its card."""
    statement = (
        select(_JOBS.id.label("of_job"), tables.images)
        .join(tables.submissions, _SUBMISSIONS.job_id == _JOBS.id)
        .join(tables.images, _IMAGES.submission_id == _SUBMISSIONS.id)
        .where(
            _JOBS.thread_id == thread_id,
            _JOBS.user_id == user_id,
            _JOBS.status.not_in([status.value for status in UNLISTED]),
        )
        .order_by(_JOBS.id.desc(), _SUBMISSIONS.position, _IMAGES.position)
        .limit(limit)
        .offset(offset)
    )
    rows = [dict(row) for row in (await conn.execute(statement)).mappings()]
    return [(row.pop("of_job"), StoredImage(**row)) for row in rows]


# --- files that have to go -------------------------------------------------------------------------------------------


async def add_removals(tx: AsyncConnection, files: Iterable[str]) -> None:
    """Note files whose records go in this transaction."""
    rows = [{"file": file} for file in set(files)]
    if rows:
        await tx.execute(_ADD_REMOVAL, rows)


async def pending_removals(conn: AsyncConnection, *, after: str = "", limit: int) -> list[str]:
    """The names of files that have to go, in order, those that come after this one."""
    statement = select(_REMOVALS.file).where(after < _REMOVALS.file).order_by(_REMOVALS.file).limit(limit)
    return list((await conn.execute(statement)).scalars())


async def finish_removals(tx: AsyncConnection, files: Iterable[str]) -> None:
    """Cross off files that are gone."""
    rows = [{"gone": file} for file in files]
    if rows:
        await tx.execute(delete(tables.removals).where(bindparam("gone") == _REMOVALS.file), rows)
