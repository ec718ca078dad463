"""The pictures that requests start from: stores them before anything is paid for, and prepares them for an upload."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

import structlog

from bot.clock import Clock
from bot.domain.areas import Area
from bot.domain.edits import picture_size
from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.errors import NotMade, UserError
from bot.jobs.image_files import remove_files
from bot.jobs.new_jobs import SOURCE_GONE
from bot.jobs.store import JobStore
from bot.jobs.view import JobView, may_see, require_visible
from bot.pictures import decoding, fitting, masks, normalising
from bot.providers.base import ImageRequest
from bot.providers.operations import Fit, MaskKind, PictureFile, PictureRules, Pictures, Size
from bot.text import Text, message
from storage import images, sources
from storage.images import ImageFiles
from storage.records import StoredSource

log = structlog.get_logger(__name__)

IMAGE_GONE = message("sources.image_gone", "This image is no longer stored. Make it again, or attach it as a picture.")
NOT_YOURS = message("sources.not_yours", "This starts from somebody else's picture, which only they can use.")
NO_SUCH_PICTURE = message("sources.not_found", "You have no such picture. Pick one from the list, or attach one.")
TOO_DETAILED = message("sources.too_detailed", "This picture is too large to send, even compressed. Use a smaller one.")
NOTHING_MARKED = message("sources.nothing_marked", "The mask marks nothing. Paint what should change in white.")

P = ParamSpec("P")
T = TypeVar("T")

# The part of an upload for the fields: long prompts, and the names of the parts.
_FORM_BYTES = 1 << 20

UPLOADS_AT_ONCE = 4
"""The number of pictures that are received at the same time, each from another person."""
UNUSED_AT_MOST = 30
"""The maximum number of a person's stored pictures that no image was made from. One more removes the oldest.

Nothing else limits them, because they cost nothing.
"""

Download = Callable[[Path], Awaitable[None]]
"""Writes a picture to a path. Raises UserError if it cannot."""


class PictureNotYours(NotMade):
    """The job of ``view`` starts from a picture that only its author may use. Others can go on from its images."""

    def __init__(self, view: JobView) -> None:
        super().__init__(NOT_YOURS)
        self.view = view


class PictureUnusable(Exception):
    """The stored picture of a submission cannot be sent. ``text`` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.code)
        self.text = text


class Sources:
    """Stores and prepares pictures. Every method raises UserError if a picture cannot be used, and StorageError."""

    def __init__(self, store: JobStore, files: ImageFiles, clock: Clock) -> None:
        self._store = store
        self._database = store.database
        self._files = files
        self._clock = clock
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        # Each person's pictures are received one by one, so that nobody waits for all of somebody else's.
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._shrunk: set[int] = set()

    # --- storing ------------------------------------------------------------------------------------------------

    async def receive(
        self, user_id: int, download: Download, *, kind: SourceKind, author_id: int | None = None
    ) -> SourcePicture:
        """Store a picture that a person brings. The same picture again is stored once.

        ``author_id`` is whose message it was in, if it was in somebody's.
        """
        async with self._turns.setdefault(user_id, asyncio.Lock()):
            return await self._receive(user_id, download, kind, author_id)

    async def _receive(
        self, user_id: int, download: Download, kind: SourceKind, author_id: int | None
    ) -> SourcePicture:
        pools = self._files.pools
        async with self._uploads, self._files.writing("upload") as raw:
            with self._files.translated_errors():
                await download(raw)
                digest = await pools.files.run(_digest, raw)
            async with self._database.read() as connection:
                known = await sources.by_digest(connection, digest, user_id=user_id, kind=kind, author_id=author_id)
            if (renewed := await self._renewed(known)) is not None:
                await pools.files.run(_remove, raw)
                return renewed
            async with self._files.writing("picture") as aside:
                with self._files.translated_errors():
                    made = await normalising.normalise(pools, raw, aside)
                if kind is SourceKind.MASK:
                    await self._check_mask(aside, made.size)
                name = sources.new_name(made.media_type)
                await self._files.keep(aside, name)
            await pools.files.run(_remove, raw)
        return await self._add(
            sources.NewSource(
                user_id=user_id,
                kind=kind,
                file=name,
                media_type=made.media_type,
                width=made.size.width,
                height=made.size.height,
                bytes=made.bytes,
                digest=digest,
                transparent=made.transparent,
                author_id=author_id,
                created_at=self._clock.now(),
            )
        )

    async def of_image(self, origin: Origin, job_id: int, position: int) -> SourcePicture:
        """Store one image of a result that this person may see. ``position`` counts the images of the job from 1.

        The file is linked, so that it outlives the result.
        """
        view = await self._store.view(job_id)
        require_visible(origin, view.job)
        image = view.images[position - 1] if 1 <= position <= len(view.images) else None
        if image is None or image.file is None:
            raise UserError(IMAGE_GONE)
        async with self._database.read() as connection:
            known = await sources.by_image(connection, image.id, user_id=origin.user_id)
        if (renewed := await self._renewed(known)) is not None:
            return renewed
        name = sources.new_name(image.media_type)
        async with self._files.writing(name) as aside:
            with self._files.translated_errors():
                try:
                    await self._files.pools.files.run(_link, self._files.path(image.file), aside)
                except FileNotFoundError:
                    raise UserError(IMAGE_GONE) from None
            await self._files.keep(aside, name)
        return await self._add(
            sources.NewSource(
                user_id=origin.user_id,
                kind=SourceKind.RESULT,
                file=name,
                media_type=image.media_type,
                width=image.width,
                height=image.height,
                bytes=image.bytes,
                digest="",
                image_id=image.id,
                job_id=job_id,
                author_id=view.job.user_id,
                created_at=self._clock.now(),
            )
        )

    async def _renewed(self, known: StoredSource | None) -> SourcePicture | None:
        """Return a known picture, which is then kept as if it were new. None if there is none, or if its file is gone.

        A file can be lost without its record, such as when a backup of the database is restored.
        """
        if known is None or known.file is None:
            return None
        there = await self._files.pools.files.run(self._files.path(known.file).is_file)
        async with self._database.write() as tx:
            if there:
                return as_picture(known) if await sources.renew(tx, known.id, at=self._clock.now()) else None
            await sources.forget_files(tx, [known.id])
        log.warning("source.lost", source=known.id)
        return None

    async def _add(self, new: sources.NewSource) -> SourcePicture:
        """Record a picture whose file is stored. Raises UserError if the image that it is a copy of is gone."""
        recorded = False
        try:
            async with self._database.write() as tx:
                image = None if new.image_id is None else await images.get_image(tx, new.image_id)
                if new.image_id is not None and (image is None or image.file is None):
                    raise UserError(IMAGE_GONE)
                id_ = await sources.add(tx, new)
                stored = await sources.get(tx, id_)
                oldest = await sources.unused_beyond(tx, new.user_id, keep=UNUSED_AT_MOST)
                names = await sources.forget_files(tx, oldest)
                # An error of the commit itself leaves open whether the record is there.
                recorded = True
        except BaseException:
            if not recorded:
                await remove_files(self._database, self._files, [new.file])
            raise
        await remove_files(self._database, self._files, names)
        if stored is None:
            raise RuntimeError("a record is gone within the transaction that added it")
        return as_picture(stored)

    # --- finding ------------------------------------------------------------------------------------------------

    async def own(self, user_id: int, source_id: int) -> SourcePicture:
        """Return a picture of this person that is still stored."""
        stored = await self._stored(source_id)
        if stored.user_id != user_id:
            raise UserError(NO_SUCH_PICTURE)
        return as_picture(stored)

    async def for_person(self, origin: Origin, source: SourcePicture) -> SourcePicture | None:
        """Return the picture of an earlier job for another person: only an image that they may see themselves.

        Returns None for any other.
        """
        async with self._database.read() as connection:
            stored = await sources.get(connection, source.id)
            image_id = None if stored is None else stored.image_id
            image = None if image_id is None else await images.get_image(connection, image_id)
        if stored is not None and stored.user_id == origin.user_id:
            return source
        if stored is None or stored.job_id is None or image is None:
            return None
        try:
            view = await self._store.view(stored.job_id)
        except UserError:
            return None  # It was deleted.
        if not may_see(origin, view.job):
            return None
        position = next((place for place, each in enumerate(view.images, 1) if each.id == image.id), 0)
        return await self.of_image(origin, stored.job_id, position)

    async def recent(self, user_id: int, *, limit: int) -> list[StoredSource]:
        """Return the pictures that the person brought or used last, the latest first."""
        async with self._database.read() as connection:
            return await sources.latest(connection, user_id, limit=limit)

    async def path(self, source_id: int) -> Path:
        """Return the path of a stored picture."""
        return self._files.path((await self._stored(source_id)).file or "")

    # --- preparing an upload ------------------------------------------------------------------------------------

    def shrink(self, submission_id: int) -> bool:
        """Halve the upload of this submission from now on. False if it was halved before."""
        first = submission_id not in self._shrunk
        self._shrunk.add(submission_id)
        return first

    @asynccontextmanager
    async def prepared(self, request: ImageRequest, submission_id: int) -> AsyncIterator[Pictures | None]:
        """Yield the files to upload for this request; they are deleted after the block. None if it has no pictures.

        Raises PictureUnusable.
        """
        if request.source is None:
            yield None
            return
        # The provider refuses the request of an earlier version whose engine or operation is gone.
        engine = self._store.engines.get(request.engine)
        doing = None if engine is None else engine.doing(request.operation)
        rules = (doing and doing.picture) or PictureRules()
        # If no fit was asked for, the shapes differ by a few pixels at most, which are cut off.
        size, fit = picture_size(request), request.fit or Fit.CROP
        async with self._files.writing("upload") as upload, self._files.writing("mask") as mask:
            try:
                stored = await self._stored(request.source)
                path = self._files.path(stored.file or "")
                whole = Size(stored.width, stored.height)
                marked = await self._mask(request, mask, source=whole, sent=size, fit=fit, kind=rules.mask)
                # A mask has to be exact, so only the picture is compressed.
                room = rules.bytes - _FORM_BYTES - (0 if marked is None else marked.bytes)
                largest = room // 2 if submission_id in self._shrunk else room
                fitted = partial(
                    fitting.fitted, size=size, fit=fit, formats=rules.formats, transparent=False, largest=largest
                )
                pictures = Pictures(await self._decode(path, fitted, path, upload), marked)
            except UserError as error:
                raise PictureUnusable(error.problems[0]) from error
            except fitting.TooManyBytes as error:
                raise PictureUnusable(TOO_DETAILED()) from error
            except decoding.Undecodable as error:
                log.warning("source.undecodable", source=request.source, reason=str(error))
                raise PictureUnusable(SOURCE_GONE()) from error
            try:
                yield pictures
            finally:
                await self._files.pools.files.run(_remove, upload, mask)

    async def _mask(
        self, request: ImageRequest, aside: Path, *, source: Size, sent: Size, fit: Fit, kind: MaskKind
    ) -> PictureFile | None:
        """Write the mask of the request, if it has one. Raises UserError and Undecodable."""
        if request.mask is not None:
            path = self._files.path((await self._stored(request.mask)).file or "")
            of_file = partial(masks.file_mask, source=source, sent=sent, fit=fit, kind=kind)
            made = await self._decode(path, of_file, path, aside)
        elif request.area is not None:
            of_area = partial(masks.area_mask, source=source, sent=sent, fit=fit, kind=kind)
            with self._files.translated_errors():
                made = await self._files.pools.pictures.run(of_area, Area.parse(request.area), aside)
        else:
            return None
        if made.nothing_marked:
            raise UserError(NOTHING_MARKED)
        return made.file

    async def _check_mask(self, mask: Path, size: Size) -> None:
        """Refuse a mask that marks nothing. Raises UserError."""
        async with self._files.writing("mask") as aside:
            made = await self._decode(mask, partial(masks.file_mask, source=size, sent=size, fit=None), mask, aside)
            await self._files.pools.files.run(_remove, aside)
        if made.nothing_marked:
            raise UserError(NOTHING_MARKED)

    async def _decode(self, file: Path, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work on a stored picture in a thread for pictures. Raises Undecodable and StorageError."""
        pools = self._files.pools
        weight = await pools.files.run(decoding.weight_of, file)
        with self._files.translated_errors():
            return await decoding.in_turn(pools, weight, work, *args, **kwargs)

    async def _stored(self, source_id: int) -> StoredSource:
        """Return a picture whose file is still stored. Raises UserError."""
        async with self._database.read() as connection:
            stored = await sources.get(connection, source_id)
        if stored is None or stored.file is None:
            raise UserError(SOURCE_GONE)
        return stored


def as_picture(stored: StoredSource) -> SourcePicture:
    """What commands know of a stored picture."""
    return SourcePicture(
        id=stored.id,
        kind=stored.kind,
        width=stored.width,
        height=stored.height,
        transparent=stored.transparent,
        image_id=stored.image_id,
        job_id=stored.job_id,
        author_id=stored.author_id,
    )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link(file: Path, aside: Path) -> None:
    """Give a file a second name, or copy it where that is impossible. Raises OSError."""
    try:
        os.link(file, aside)
        # Old files without a record are deleted, and this one has its record only after this.
        os.utime(aside)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(file, aside)


def _remove(*files: Path) -> None:
    """Delete temporary files. If that fails, the next start deletes them."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)
