"""The finished images: their files in one folder, and their records in the database.

A file is written under a temporary name, synced and renamed before its record is committed. So a record never refers to
an incomplete file, and a crash can leave a stray file but never lose an image.
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

# Built once: building a statement takes longer than running it.
_ADD_IMAGE = insert(tables.images).returning(_IMAGES.position, _IMAGES.id)
_IMAGES_OF = (
    select(tables.images)
    .join(tables.submissions, _SUBMISSIONS.id == _IMAGES.submission_id)
    .where(_SUBMISSIONS.job_id.in_(bindparam("jobs", expanding=True)))
    .order_by(_SUBMISSIONS.job_id, _SUBMISSIONS.position, _IMAGES.position)
)

_IDS_OF = _IMAGES_OF.with_only_columns(_SUBMISSIONS.job_id, _IMAGES.id)

# A file may be listed twice. Removing it twice is harmless.
_ADD_REMOVAL = insert(tables.removals).prefix_with("OR IGNORE", dialect="sqlite")

_ASIDE = ".part"


class ImageFiles:
    """The folder of the image files. File names contain no folder.

    All disk work runs in the thread pool for files. ``pools`` also has the pool for decoding.
    """

    def __init__(self, folder: Path, pools: Pools) -> None:
        self.pools = pools
        self._folder = folder

    async def prepare(self) -> None:
        """Create the folder and delete unfinished files of an earlier run. Raises StorageError."""
        await self.pools.files.run(self._prepare)

    def path(self, name: str) -> Path:
        """Return the path of the file with this name. Raises ValueError if the name contains a folder."""
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise ValueError(f"not the name of an image file: {name!r}")
        return self._folder / name

    def aside(self, name: str) -> Path:
        """Return a new temporary path in the same folder, to which the file is written first."""
        return self.path(name).with_name(f"{name}.{secrets.token_hex(4)}{_ASIDE}")

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Path]:
        """Yield a temporary path for a file that the body writes and keeps. Deletes it if the body fails."""
        aside = self.aside(name)
        try:
            yield aside
        except BaseException:
            # If even this fails, the next start deletes the file.
            with suppress(OSError):
                await self.pools.files.run(aside.unlink, missing_ok=True)
            raise

    async def keep(self, aside: Path, name: str) -> Path:
        """Sync the temporary file and rename it to this name, so that it survives a power cut. Raises StorageError."""
        kept = self.path(name)
        await self.pools.files.run(self._keep, aside, kept)
        return kept

    async def remove(self, name: str) -> None:
        """Delete the file. A missing file is not an error. Raises StorageError."""
        await self.pools.files.run(self._remove, self.path(name))

    async def strays(self, known: Collection[str], before: int) -> list[str]:
        """Return the names of files without a record that were last written before `before` (Unix milliseconds)."""
        return await self.pools.files.run(self._strays, frozenset(known), before)

    def _prepare(self) -> None:
        with self.translated_errors():
            make_folder(self._folder)
            for aside in self._folder.glob(f"*{_ASIDE}"):
                aside.unlink()

    def _keep(self, aside: Path, kept: Path) -> None:
        with self.translated_errors():
            put_in_place(aside, kept)

    def _remove(self, path: Path) -> None:
        with self.translated_errors():
            path.unlink(missing_ok=True)

    def _strays(self, known: frozenset[str], before: int) -> list[str]:
        with self.translated_errors(), os.scandir(self._folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name not in known
                and not entry.name.endswith(_ASIDE)
                and entry.is_file()
                and entry.stat().st_mtime_ns // 1_000_000 < before
            )

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn OSError into StorageError within the block, for work on these files."""
        try:
            yield
        except OSError as error:
            raise StorageError(Fault.FILES_UNUSABLE, path=self._folder, reason=error.strerror) from error


class NewImage(NamedTuple):
    """A finished image whose file has the name `file`."""

    position: int
    file: str
    media_type: str
    width: int
    height: int
    bytes: int
    seed: int | None
    filtered: bool


async def add_images(tx: AsyncConnection, submission_id: int, images: Sequence[NewImage], *, at: int) -> list[int]:
    """Record the images of a submission. Returns their ids in this order."""
    if not images:
        return []
    rows = [{"submission_id": submission_id, "created_at": at, **image._asdict()} for image in images]
    ids = {row.position: int(row.id) for row in await tx.execute(_ADD_IMAGE, rows)}
    return [ids[image.position] for image in images]


async def images_of(conn: AsyncConnection, *job_ids: int) -> list[StoredImage]:
    """Return the images of the jobs, ordered by the position of the submission and then of the image."""
    return [StoredImage(**row) for row in (await conn.execute(_IMAGES_OF, {"jobs": job_ids})).mappings()]


async def places(conn: AsyncConnection, job_ids: Collection[int]) -> dict[int, dict[int, int]]:
    """Return the place of each image among those of its job, from 1, by job id and image id."""
    found: dict[int, dict[int, int]] = {}
    for job_id, image_id in await conn.execute(_IDS_OF, {"jobs": list(job_ids)}):
        of_job = found.setdefault(job_id, {})
        of_job[image_id] = len(of_job) + 1
    return found


async def image_files(conn: AsyncConnection) -> set[str]:
    """Return the names of all files that should exist, including previews and the pictures that jobs start from."""
    columns = (_IMAGES.file, _IMAGES.preview, tables.sources.c.file)
    every = union(*(select(column).where(column.is_not(None)) for column in columns))
    return set((await conn.execute(every)).scalars())


async def old_images(
    conn: AsyncConnection, before: int, *, kept_before: int, limit: int | None = None
) -> list[StoredImage]:
    """Return images with a file that were made and shown before `before`, oldest first. Times are Unix milliseconds.

    Images of a job that must still be shown are excluded. Those of an undelivered job are included only if the job
    ended before `kept_before`.
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
            # If a result was shown late, its time starts with the delivery.
            or_(_JOBS.delivered_at.is_(None), _JOBS.delivered_at < before),
        )
        .order_by(_IMAGES.created_at)
        .limit(limit)
    )
    return [StoredImage(**row) for row in (await conn.execute(statement)).mappings()]


async def positions_of(conn: AsyncConnection, submission_id: int) -> frozenset[int]:
    """Return the positions of the submission's images, also of those whose file was deleted."""
    statement = select(_IMAGES.position).where(_IMAGES.submission_id == submission_id)
    return frozenset((await conn.execute(statement)).scalars())


async def get_image(conn: AsyncConnection, image_id: int) -> StoredImage | None:
    """Return the image with this id, or None."""
    row = (await conn.execute(select(tables.images).where(_IMAGES.id == image_id))).mappings().first()
    return None if row is None else StoredImage(**row)


async def without_preview(
    conn: AsyncConnection, after: tuple[int, int], *, before: int, limit: int
) -> list[StoredImage]:
    """Return images with a file and no preview that were made before `before`, oldest first.

    Only those after the given time and id are returned. Times are in Unix milliseconds.
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
    """Record the image's preview. False if it already has one, or if the image or its file was deleted meanwhile."""
    bare = (_IMAGES.id == image_id, _IMAGES.file.is_not(None), _IMAGES.preview.is_(None))
    recorded = await tx.execute(update(tables.images).where(*bare).values(preview=preview))
    return int(recorded.rowcount) > 0


async def old_previews(conn: AsyncConnection, before: int, *, limit: int | None = None) -> list[StoredImage]:
    """Return images from before `before` with a preview but no file to remake it from, oldest first."""
    statement = (
        select(tables.images)
        .where(_IMAGES.preview.is_not(None), _IMAGES.file.is_(None), _IMAGES.created_at < before)
        .order_by(_IMAGES.created_at)
        .limit(limit)
    )
    return [StoredImage(**row) for row in (await conn.execute(statement)).mappings()]


async def forget_previews(tx: AsyncConnection, ids: Iterable[int]) -> None:
    """Record that the previews of these images are deleted."""
    gone = [{"image": image_id} for image_id in ids]
    if gone:
        await tx.execute(update(tables.images).where(_IMAGES.id == bindparam("image")).values(preview=None), gone)


async def forget_files(tx: AsyncConnection, ids: Iterable[int]) -> None:
    """Record that the files of these images are deleted."""
    gone = [{"image": image_id} for image_id in ids]
    if gone:
        await tx.execute(update(tables.images).where(_IMAGES.id == bindparam("image")).values(file=None), gone)


async def images_of_thread(
    conn: AsyncConnection, user_id: int, thread_id: int, *, limit: int, offset: int = 0
) -> list[tuple[int, StoredImage]]:
    """Return the images of the person's thread with their job ids: latest job first, each in the order of its card."""
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


# --- files to remove -------------------------------------------------------------------------------------------------


async def add_removals(tx: AsyncConnection, files: Iterable[str]) -> None:
    """List files for removal whose records are deleted in this transaction."""
    rows = [{"file": file} for file in set(files)]
    if rows:
        await tx.execute(_ADD_REMOVAL, rows)


async def pending_removals(conn: AsyncConnection, *, after: str = "", limit: int) -> list[str]:
    """Return the names of files to remove that come after this one, in order."""
    statement = select(_REMOVALS.file).where(after < _REMOVALS.file).order_by(_REMOVALS.file).limit(limit)
    return list((await conn.execute(statement)).scalars())


async def finish_removals(tx: AsyncConnection, files: Iterable[str]) -> None:
    """Take removed files off the list."""
    rows = [{"gone": file} for file in files]
    if rows:
        await tx.execute(delete(tables.removals).where(bindparam("gone") == _REMOVALS.file), rows)
