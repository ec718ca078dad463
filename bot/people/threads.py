"""Manages a person's threads: titled groups of jobs, one of them current in each place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.image_files import Previews, remove_files
from bot.jobs.new_jobs import NO_SUCH_THREAD, continues
from bot.jobs.view import JobView, Page, PreviewedImage, load_all
from bot.providers.base import Provider
from bot.text import message
from storage import images, jobs
from storage import threads as rows
from storage.database import AsyncConnection, Database
from storage.images import ImageFiles
from storage.threads import Thread, ThreadTotals

TITLE_AT_MOST = 100
THREADS_AT_MOST = 1000
"""The maximum number of threads of one person in one place."""
THREADS_A_PAGE = 6
IMAGES_A_PAGE = 6

NONE_CURRENT = message("threads.none_current", "You have no current thread here. Pick one from the list.")
TOO_MANY = message("threads.too_many", "You have {limit} threads here, the maximum. Delete one first.")
UNFINISHED = message(
    "threads.unfinished",
    "This thread still has {count} unfinished job. Cancel it or wait for it, then delete the thread.",
    "This thread still has {count} unfinished jobs. Cancel them or wait for them, then delete the thread.",
)
TITLE_EMPTY = message("threads.title_empty", "A title needs at least one visible character.")
TITLE_TOO_LONG = message("threads.title_too_long", "A title can have up to {limit} characters; this one has {length}.")


@dataclass(frozen=True, slots=True)
class ThreadView:
    """One thread with its totals. ``current``: the person's new images are added to it."""

    thread: Thread
    totals: ThreadTotals
    current: bool


@dataclass(frozen=True, slots=True)
class ThreadList:
    """A page of a person's threads in one place, most recently used first."""

    threads: tuple[ThreadView, ...]
    page: Page
    total: int


@dataclass(frozen=True, slots=True)
class ThreadGallery:
    """A page of a thread's images, latest job first, and their jobs by id."""

    thread: ThreadView
    page: Page
    pictures: tuple[tuple[int, PreviewedImage], ...]
    jobs: dict[int, JobView]


class Threads:
    """Operations on a person's own threads. Methods raise UserError if the person has no such thread."""

    def __init__(
        self,
        *,
        database: Database,
        files: ImageFiles,
        previews: Previews,
        providers: Mapping[str, Provider],
        clock: Clock,
    ) -> None:
        self._database = database
        self._files = files
        self._previews = previews
        self._providers = providers
        self._clock = clock

    async def open(self, origin: Origin, title: str | None) -> str | None:
        """Start a thread with this title and return the title.

        Without a title, leave the current thread instead, so that the next prompt starts a new one.
        """
        named = _titled(title) if title is not None else None
        async with self._database.write() as tx:
            if named is None:
                await rows.leave_thread(tx, user_id=origin.user_id, place_id=origin.place_id)
                return None
            if await rows.count_threads(tx, origin.user_id, origin.place_id) >= THREADS_AT_MOST:
                raise UserError(TOO_MANY(limit=THREADS_AT_MOST))
            await rows.open_thread(
                tx, user_id=origin.user_id, place_id=origin.place_id, title=named, at=self._clock.now()
            )
        return named

    async def list(self, origin: Origin, page: int = 1) -> ThreadList:
        """One page of the person's threads in this place."""
        async with self._database.read() as connection:
            total = await rows.count_threads(connection, origin.user_id, origin.place_id)
            where = Page.of(page, things=total, at_once=THREADS_A_PAGE)
            found = await rows.threads_of(
                connection,
                origin.user_id,
                origin.place_id,
                limit=THREADS_A_PAGE,
                offset=where.offset(THREADS_A_PAGE),
            )
            current = await rows.current_thread(connection, origin.user_id, origin.place_id)
            totals = await rows.totals(connection, [thread.id for thread in found])
        views = (ThreadView(thread, totals[thread.id], self._current(thread, current)) for thread in found)
        return ThreadList(tuple(views), where, total)

    async def find(self, origin: Origin, wanted: str) -> Thread:
        """Find the thread with this id, or else with this title."""
        async with self._database.read() as connection:
            return await self._find(connection, origin, wanted)

    async def matching(self, origin: Origin, text: str) -> Sequence[Thread]:
        """The person's threads in this place whose title contains the text."""
        async with self._database.read() as connection:
            return await rows.find_threads(connection, origin.user_id, origin.place_id, text)

    async def use(self, origin: Origin, wanted: str) -> Thread:
        """Make this thread the current one."""
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            await rows.use_thread(
                tx, user_id=origin.user_id, place_id=origin.place_id, thread_id=thread.id, at=self._clock.now()
            )
        return thread

    async def show(self, origin: Origin, wanted: str | None, page: int = 1) -> ThreadGallery:
        """Return one page of the images of the named thread, or else of the one used last."""
        async with self._database.read() as connection:
            thread = await self._find(connection, origin, wanted)
            view = await self._view(connection, origin, thread)
            where = Page.of(page, things=view.totals.images, at_once=IMAGES_A_PAGE)
            found = await images.images_of_thread(
                connection, origin.user_id, thread.id, limit=IMAGES_A_PAGE, offset=where.offset(IMAGES_A_PAGE)
            )
            made_by = await jobs.get_jobs(connection, {job_id for job_id, _ in found})
            views = {each.job.id: each for each in await load_all(connection, made_by, self._providers)}
        pictures = [
            (job_id, PreviewedImage(image, await self._previews.of(image)))
            for job_id, image in found
            if job_id in views
        ]
        return ThreadGallery(view, where, tuple(pictures), views)

    async def rename(self, origin: Origin, wanted: str | None, title: str) -> tuple[Thread, str]:
        """Change the title. Returns the thread before the change, and the new title."""
        named = _titled(title)
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            await rows.rename(tx, thread.id, origin.user_id, named)
        return thread, named

    async def deletable(self, origin: Origin, wanted: str) -> ThreadView:
        """The thread that the person wants to delete. Raises UserError while a job of it is unfinished."""
        async with self._database.read() as connection:
            view = await self._view(connection, origin, await self._find(connection, origin, wanted))
        _refuse_unfinished(view.totals)
        return view

    async def delete(self, origin: Origin, wanted: str) -> Thread:
        """Delete a thread with its jobs and their files; the ledger keeps its entries."""
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            _refuse_unfinished((await rows.totals(tx, [thread.id]))[thread.id])
            names = await rows.delete_thread(tx, thread.id, origin.user_id) or []
            await images.add_removals(tx, names)
        await remove_files(self._database, self._files, names)
        return thread

    async def _find(self, connection: AsyncConnection, origin: Origin, wanted: str | None) -> Thread:
        """The person's thread in this place with this id, or else with this title; for None, the one they used last."""
        if wanted is None:
            current = await rows.current_thread(connection, origin.user_id, origin.place_id)
            if current is None:
                raise UserError(NONE_CURRENT)
            return current
        thread = await rows.named_thread(connection, origin.user_id, origin.place_id, wanted)
        if thread is None:
            raise UserError(NO_SUCH_THREAD)
        return thread

    async def _view(self, connection: AsyncConnection, origin: Origin, thread: Thread) -> ThreadView:
        current = await rows.current_thread(connection, origin.user_id, origin.place_id)
        totals = await rows.totals(connection, [thread.id])
        return ThreadView(thread, totals[thread.id], self._current(thread, current))

    def _current(self, thread: Thread, latest: Thread | None) -> bool:
        """Whether new images are added to the thread: it is the ``latest`` one, and it has not rested for too long."""
        return latest is not None and latest.id == thread.id and continues(thread, self._clock.now())


def _titled(text: str) -> str:
    title = typed(text)
    if title is None:
        raise UserError(TITLE_EMPTY)
    if len(title) > TITLE_AT_MOST:
        raise UserError(TITLE_TOO_LONG(limit=TITLE_AT_MOST, length=len(title)))
    return title


def _refuse_unfinished(totals: ThreadTotals) -> None:
    if totals.unfinished:
        raise UserError(UNFINISHED(count=totals.unfinished))
