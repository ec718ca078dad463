"""What a person has made, to be looked through and taken up again. Knows no Discord."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.previews import Previews
from bot.jobs.store import Jobs
from bot.jobs.view import JobView, load_all
from bot.people.threads import NO_SUCH_THREAD, Page, Picture
from storage import history, threads
from storage.history import Wanted
from storage.images import ImageFiles
from storage.jobs import Job, JobStatus
from storage.records import DeliveryMethod

JOBS_A_PAGE = 4
SEARCH_AT_MOST = 50
"""Letters of what is searched for: a button that turns the page has to carry them."""

NOT_YOURS = "That is somebody else's job."


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One job with the preview of its first image, if there is one."""

    view: JobView
    picture: Picture | None
    kept_until: int
    """If it could not be shown: until when its images are kept, in Unix milliseconds."""

    @property
    def can_be_shown(self) -> bool:
        """Whether it was never shown and there still is something to show."""
        if self.view.job.status is not JobStatus.UNDELIVERED:
            return False
        return not self.view.images or any(image.file is not None for image in self.view.images)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of a person's jobs, the latest first; ``thread_title`` is that of the thread that is wanted."""

    wanted: Wanted
    page: Page
    total: int
    entries: tuple[HistoryEntry, ...]
    thread_title: str | None = None


class History:
    """Every question is about the person's own jobs alone, wherever they were made."""

    def __init__(self, *, jobs: Jobs, files: ImageFiles, previews: Previews) -> None:
        self._jobs = jobs
        self._database = jobs.database
        self.files = files
        self._previews = previews

    async def page(self, origin: Origin, wanted: Wanted, page: int = 1) -> HistoryPage:
        """A page of the jobs that are wanted. Raises UserError for a thread that is not the person's."""
        async with self._database.read() as connection:
            title = None
            if wanted.thread_id is not None:
                thread = await threads.get_thread(connection, wanted.thread_id, origin.user_id)
                if thread is None:
                    raise UserError(NO_SUCH_THREAD)
                title = thread.title
            total = await history.count_jobs(connection, origin.user_id, wanted)
            where = Page.of(page, things=total, at_once=JOBS_A_PAGE)
            found = await history.jobs_of(
                connection, origin.user_id, wanted, limit=JOBS_A_PAGE, offset=where.offset(JOBS_A_PAGE)
            )
            views = await load_all(connection, found, self._jobs.providers)
        entries = [HistoryEntry(view, await self._picture(view), self._jobs.kept_until(view.job)) for view in views]
        return HistoryPage(wanted, where, total, tuple(entries), title)

    async def own(self, origin: Origin, job_id: int) -> Job:
        """The person's own job. Raises UserError for any other."""
        job = await self._jobs.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError(NOT_YOURS)
        return job

    async def shown(self, job_id: int) -> None:
        """An undelivered result was shown in an answer to its author alone."""
        await self._jobs.delivered(job_id, by=DeliveryMethod.HISTORY)

    def kept_until(self, job: Job) -> int:
        """Until when the images of a job are kept that could not be shown: Unix milliseconds."""
        return self._jobs.kept_until(job)

    async def _picture(self, view: JobView) -> Picture | None:
        for image in view.images:
            preview = await self._previews.of(image)
            if preview is not None:
                return Picture(image, preview)
        return None
