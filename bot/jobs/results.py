"""Operations on existing jobs: details, sharing, deleting, history. Independent of Discord."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.options import ImagineOptions
from bot.domain.place import Origin
from bot.errors import Problem, UserError
from bot.jobs.image_files import Previews, remove_files
from bot.jobs.new_jobs import NO_SUCH_THREAD
from bot.jobs.service import JobService
from bot.jobs.store import BEING_DELIVERED, NOT_YOURS, JobStore
from bot.jobs.view import JobView, Page, PreviewedImage, load_all, may_manage, may_see, require_visible
from bot.text import message
from storage import jobs, lineage, submissions, threads
from storage.images import ImageFiles
from storage.jobs import JobFilter
from storage.records import Event, Job, JobStatus

JOBS_A_PAGE = 4
SEARCH_AT_MOST = 50
"""The maximum length of a search text, because the buttons that turn the page contain it."""

NO_JOB_IN_MESSAGE = message("results.no_job_in_message", "This message isn't one of my results. Pick one that is.")
SEVERAL_JOBS = message(
    "results.several_jobs", "This message shows several jobs. Use the buttons below the one you want."
)
FILES_GONE = message("results.files_gone", "These images are no longer stored. Press Again to make new ones.")
NO_IMAGES = message("results.no_images", "There are no images to share.")
SHARE_NOT_ALLOWED = message("results.share_not_allowed", "Only the person who started this job can share it.")
SHARE_NEEDS_SERVER = message("results.share_needs_server", "Results can only be shared in a server's channel.")
SHARE_NEEDS_ADULTS = message(
    "results.share_needs_adults",
    "This was made in an age-restricted channel, so it can only be shared in such a channel.",
)
PUBLIC_ALREADY = message("results.public_already", "This result is already public.")
NOT_READY_TO_SHARE = message(
    "results.not_ready_to_share", "This isn't finished yet. Share it when the images are there."
)
DELETE_NOT_ALLOWED = message(
    "results.delete_not_allowed",
    "Only the person who started this job, or somebody with Manage Messages, can delete it.",
)


class SharingRules(Protocol):
    """Provides the servers' rules for sharing."""

    def problems_of_sharing(self, origin: Origin, options: ImagineOptions) -> Sequence[Problem]:
        """Return why the server does not allow this person to share this here."""


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job with all of its events, its parent, and the jobs made from it, oldest first.

    ``source`` is the job that made the picture that it started from, if that is not its parent.
    ``hidden`` is the number of related jobs that the person may not see. ``mine`` is whether the job is their own. The
    images of an undelivered job are kept until ``kept_until`` (Unix milliseconds).
    """

    view: JobView
    mine: bool
    events: list[Event]
    parent: int | None
    children: tuple[int, ...]
    hidden: int
    kept_until: int
    source: int | None = None

    @property
    def related(self) -> bool:
        """Whether it was made from something, or something was made from it, that the person may see."""
        return bool(self.parent or self.source or self.children or self.view.job.source_id)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One job with the preview of its first image, if there is one.

    The images of an undelivered job are kept until ``kept_until`` (Unix milliseconds).
    """

    view: JobView
    picture: PreviewedImage | None
    kept_until: int

    @property
    def can_be_shown(self) -> bool:
        """Whether it was never shown and still has images."""
        if self.view.job.status is not JobStatus.UNDELIVERED:
            return False
        return not self.view.images or any(image.file is not None for image in self.view.images)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of a person's jobs, newest first. ``thread_title`` is the title of the thread in the filter."""

    wanted: JobFilter
    page: Page
    total: int
    entries: tuple[HistoryEntry, ...]
    thread_title: str | None = None


class Results:
    """Operations on existing jobs. Every method raises UserError if the operation is impossible or not allowed."""

    def __init__(
        self, *, store: JobStore, service: JobService, servers: SharingRules, files: ImageFiles, previews: Previews
    ) -> None:
        self._store = store
        self._database = store.database
        self._service = service
        self._servers = servers
        self.files = files
        self._previews = previews

    # --- details ------------------------------------------------------------------------------------------------

    async def detailed(self, origin: Origin, job_id: int) -> JobDetails:
        """Return everything about a job that this person may see."""
        view = await self._service.view(job_id)
        require_visible(origin, view.job)
        made_by = None if view.made_from is None or view.made_from.job is None else view.made_from.job.id
        async with self._database.read() as connection:
            events = await submissions.events_of(connection, job_id)
            parent = await lineage.parent(connection, job_id)
            children = await lineage.children(connection, job_id)
            related = {*children, *(each for each in (parent, made_by) if each is not None)}
            there = [job for job in await jobs.get_jobs(connection, related) if job.status is not JobStatus.DELETED]
        seen = {job.id for job in there if may_see(origin, job)}
        return JobDetails(
            view,
            view.job.user_id == origin.user_id,
            events,
            parent if parent in seen else None,
            tuple(child for child in children if child in seen),
            hidden=len(there) - len(seen),
            kept_until=self._store.kept_until(view.job),
            source=made_by if made_by in seen and made_by != parent else None,
        )

    async def job_of_message(self, named: Collection[int], message_id: int) -> int:
        """Return the job that a message of the bot shows: the one in its buttons, or the one with this card."""
        if len(named) > 1:
            raise UserError(SEVERAL_JOBS)
        if named:
            return next(iter(named))
        async with self._database.read() as connection:
            found = await jobs.unfinished_of_message(connection, message_id)
        if found is None:
            raise UserError(NO_JOB_IN_MESSAGE)
        return found

    async def own(self, origin: Origin, job_id: int) -> Job:
        """Return the person's own job with this id."""
        job = await self._store.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError(NOT_YOURS)
        return job

    # --- sharing ------------------------------------------------------------------------------------------------

    async def shareable(self, origin: Origin, job_id: int) -> JobView:
        """Return a private result that this person may share with everybody here."""
        view = await self._store.view(job_id)
        job = view.job
        if job.user_id != origin.user_id:
            raise UserError(SHARE_NOT_ALLOWED)
        if origin.server_id is None:
            raise UserError(SHARE_NEEDS_SERVER)
        if job.public_in is not None:
            raise UserError(PUBLIC_ALREADY)
        if job.status is JobStatus.READY:
            raise UserError(BEING_DELIVERED)
        if job.status not in (JobStatus.DELIVERED, JobStatus.UNDELIVERED):
            raise UserError(NOT_READY_TO_SHARE)
        if not any(image.file for image in view.images):
            raise UserError(FILES_GONE if view.images else NO_IMAGES)
        if not origin.for_adults and any(request.adult for request in view.requests):
            raise UserError(SHARE_NEEDS_ADULTS)
        problems = self._servers.problems_of_sharing(origin, view.options)
        if problems:
            raise UserError(*problems)
        return view

    # --- deleting -----------------------------------------------------------------------------------------------

    async def deletable(self, origin: Origin, job_id: int) -> JobView:
        """Return a job that this person may delete, to ask them for a confirmation."""
        view = await self._store.view(job_id)
        if not may_manage(origin, view.job):
            raise UserError(DELETE_NOT_ALLOWED)
        return view

    async def delete(self, origin: Origin, job_id: int) -> JobView:
        """Delete an ended job and its files. The caller deletes the message. The ledger keeps its entries."""
        view = await self.deletable(origin, job_id)
        await remove_files(self._database, self.files, await self._store.delete(job_id))
        return view

    async def may_clear(self, origin: Origin, job_id: int, *, asked_by: int | None) -> bool:
        """Return whether this person may delete the remaining message of a deleted job.

        ``asked_by`` is the person to whom the message responds. It decides if nothing of the job is stored any more.
        """
        async with self._database.read() as connection:
            job = await jobs.get_job(connection, job_id)
        if job is None:
            return origin.user_id == asked_by or (origin.server_id is not None and origin.manage_messages)
        return job.status is JobStatus.DELETED and may_manage(origin, job)

    # --- history ------------------------------------------------------------------------------------------------

    async def page(self, origin: Origin, wanted: JobFilter, page: int = 1) -> HistoryPage:
        """Return a page of the person's own jobs from all places."""
        async with self._database.read() as connection:
            title = None
            if wanted.thread_id is not None:
                thread = await threads.get_thread(connection, wanted.thread_id, origin.user_id)
                if thread is None:
                    raise UserError(NO_SUCH_THREAD)
                title = thread.title
            total = await jobs.count_jobs(connection, origin.user_id, wanted)
            where = Page.of(page, things=total, at_once=JOBS_A_PAGE)
            found = await jobs.jobs_of(
                connection, origin.user_id, wanted, limit=JOBS_A_PAGE, offset=where.offset(JOBS_A_PAGE)
            )
            views = await load_all(connection, found, self._store.providers)
        entries = [HistoryEntry(view, await self._picture(view), self._store.kept_until(view.job)) for view in views]
        return HistoryPage(wanted, where, total, tuple(entries), title)

    async def _picture(self, view: JobView) -> PreviewedImage | None:
        for image in view.images:
            preview = await self._previews.of(image)
            if preview is not None:
                return PreviewedImage(image, preview)
        return None
