"""What a person does with their threads: titled lines of work, one of them current in each place. Knows no Discord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.file_removal import remove
from bot.jobs.previews import Previews
from bot.jobs.view import JobView, Page, PreviewedImage, load_all
from bot.providers.base import Provider
from storage import images, jobs, thread_work
from storage import threads as rows
from storage.database import AsyncConnection, Database
from storage.images import ImageFiles
from storage.thread_work import Work
from storage.threads import Thread

log = structlog.get_logger(__name__)

TITLE_AT_MOST = 100
THREADS_AT_MOST = 1000
"""Threads that one person may open in one place."""
THREADS_A_PAGE = 6
IMAGES_A_PAGE = 6

NO_SUCH_THREAD = "You have no such thread here. Pick one of those offered."
NONE_CURRENT = "You are in no thread here at the moment. Name one of those offered."


@dataclass(frozen=True, slots=True)
class ThreadView:
    """One thread and what was done in it; ``current``: new images of the person belong to it."""

    thread: Thread
    work: Work
    current: bool


@dataclass(frozen=True, slots=True)
class ThreadList:
    """A page of a person's threads in one place, last worked on first."""

    threads: tuple[ThreadView, ...]
    page: Page
    total: int


@dataclass(frozen=True, slots=True)
class ThreadGallery:
    """A page of a thread's images, the latest job's first, and the jobs that they belong to, by their ids."""

    thread: ThreadView
    page: Page
    pictures: tuple[tuple[int, PreviewedImage], ...]
    jobs: dict[int, JobView]


class Threads:
    """The verbs. Each sees the person's own threads alone, and raises UserError where there is no such thread."""

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
        """Begin a thread of this title, or, without one, the one that the next prompt will name. Returns the title."""
        named = _titled(title) if title is not None else None
        async with self._database.write() as tx:
            if named is None:
                await rows.leave_thread(tx, user_id=origin.user_id, place_id=origin.place_id)
                return None
            if await rows.count_threads(tx, origin.user_id, origin.place_id) >= THREADS_AT_MOST:
                raise UserError(f"You have {THREADS_AT_MOST:,} threads here. Delete one that you no longer need first.")
            await rows.open_thread(
                tx, user_id=origin.user_id, place_id=origin.place_id, title=named, at=self._clock.now()
            )
        return named

    async def list(self, origin: Origin, page: int = 1) -> ThreadList:
        """The person's threads in this place, by pages."""
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
            work = await thread_work.work_in(connection, [thread.id for thread in found])
        views = (ThreadView(thread, work[thread.id], _same(thread, current)) for thread in found)
        return ThreadList(tuple(views), where, total)

    async def find(self, origin: Origin, wanted: str) -> Thread:
        """The thread of this id, or else of this title."""
        async with self._database.read() as connection:
            return await self._find(connection, origin, wanted)

    async def matching(self, origin: Origin, text: str) -> Sequence[Thread]:
        """The person's threads in this place whose title contains the text."""
        async with self._database.read() as connection:
            return await rows.find_threads(connection, origin.user_id, origin.place_id, text)

    async def use(self, origin: Origin, wanted: str) -> Thread:
        """Make a thread the current one."""
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            await rows.use_thread(tx, user_id=origin.user_id, place_id=origin.place_id, thread_id=thread.id)
        return thread

    async def show(self, origin: Origin, wanted: str | None, page: int = 1) -> ThreadGallery:
        """The images of a thread, by pages; of the current one if none is named."""
        async with self._database.read() as connection:
            thread = await self._find(connection, origin, wanted)
            view = await self._view(connection, origin, thread)
            where = Page.of(page, things=view.work.images, at_once=IMAGES_A_PAGE)
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
        """Give a thread another title. Returns the thread as it was, and the title."""
        named = _titled(title)
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            await rows.rename(tx, thread.id, origin.user_id, named)
        return thread, named

    async def deletable(self, origin: Origin, wanted: str) -> ThreadView:
        """The thread as it stands: what to ask about before it is deleted. Raises UserError while a job is open."""
        async with self._database.read() as connection:
            view = await self._view(connection, origin, await self._find(connection, origin, wanted))
        _refuse_unfinished(view.work)
        return view

    async def delete(self, origin: Origin, wanted: str) -> Thread:
        """Delete a thread with its jobs and their files; the ledger keeps its entries."""
        async with self._database.write() as tx:
            thread = await self._find(tx, origin, wanted)
            _refuse_unfinished((await thread_work.work_in(tx, [thread.id]))[thread.id])
            names = await thread_work.delete_thread(tx, thread.id, origin.user_id) or []
            await images.add_removals(tx, names)
        await remove(self._database, self._files, names)
        return thread

    async def _find(self, connection: AsyncConnection, origin: Origin, wanted: str | None) -> Thread:
        """The person's thread in this place of this id, or else of this title; the current one for None."""
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
        work = await thread_work.work_in(connection, [thread.id])
        return ThreadView(thread, work[thread.id], _same(thread, current))


def _titled(text: str) -> str:
    title = typed(text)
    if title is None:
        raise UserError("A title needs at least one letter that can be seen.")
    if len(title) > TITLE_AT_MOST:
        raise UserError(f"A title has at most {TITLE_AT_MOST} letters, and this one has {len(title)}.")
    return title


def _same(thread: Thread, other: Thread | None) -> bool:
    return other is not None and other.id == thread.id


def _refuse_unfinished(work: Work) -> None:
    if work.unfinished:
        jobs_are = "1 job is" if work.unfinished == 1 else f"{work.unfinished} jobs are"
        raise UserError(
            f"This thread cannot be deleted yet: {jobs_are} not finished. Cancel that, or wait for it, then delete it."
        )
